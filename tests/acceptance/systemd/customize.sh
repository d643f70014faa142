#!/bin/sh
# Hook of mmdebstrap: ROOT HERE DOWNLOADS. Trims the tree so that it boots fast, adds the agent, fetches user-mode Linux.
set -eu
root=$1 here=$2 downloads=$3
units=$root/etc/systemd/system

echo machine >"$root/etc/hostname"
printf '127.0.0.1 localhost machine\n' >"$root/etc/hosts"
: >"$root/etc/fstab"
: >"$root/etc/machine-id"

mkdir -p "$root/etc/systemd/journald.conf.d" "$root/etc/systemd/system-generators"
printf '[Journal]\nStorage=volatile\n' >"$root/etc/systemd/journald.conf.d/machine.conf"

chroot "$root" systemctl set-default multi-user.target >/dev/null 2>&1
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer e2scrub_reap.service \
    systemd-networkd.service systemd-networkd-wait-online.service systemd-pcrphase.service systemd-tpm2-setup-early.service \
    systemd-tpm2-setup.service systemd-modules-load.service systemd-logind.service getty@.service serial-getty@.service console-getty.service; do
    ln -sf /dev/null "$units/$unit"
done
# For hosts that are managed; they start it.
chroot "$root" systemctl disable ssh.service cron.service >/dev/null 2>&1
# Every generator runs at boot and at each daemon-reload.
for generator in cryptsetup debug getty gpt-auto hibernate-resume rc-local ssh system-update sysv tpm2; do
    ln -sf /dev/null "$root/etc/systemd/system-generators/systemd-$generator-generator"
done

# User-mode Linux has no other way in: commands come over its second serial line.
install -m 755 "$here/agent.py" "$root/usr/local/sbin/machine-agent"
cat >"$units/machine-agent.service" <<'UNIT'
[Unit]
DefaultDependencies=no
ConditionPathExists=/dev/ttyS1
[Service]
ExecStart=/usr/bin/python3 -u /usr/local/sbin/machine-agent /dev/ttyS1
KillMode=process
[Install]
WantedBy=sysinit.target
UNIT
chroot "$root" systemctl enable machine-agent.service >/dev/null 2>&1

(cd "$downloads" && chroot "$root" sh -c 'cd /tmp && apt-get -qq -o APT::Sandbox::User=root download user-mode-linux' &&
    mv "$root"/tmp/user-mode-linux_*.deb "$downloads/")

echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/machine"

# As if the machine had been without network ever since: nothing can be fetched, only what exists here can be installed.
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb
: >"$root/etc/apt/sources.list"
rm -f "$root"/etc/apt/sources.list.d/*
rm -rf "$root"/usr/share/locale/* "$root"/usr/share/doc/* "$root"/usr/share/man/*
