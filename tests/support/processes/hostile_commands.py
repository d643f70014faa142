"""Commands that try to change their host, for tests of the sandbox.

Each is a shell text that finds its target in variables: T a directory, VICTIM a process of the same user, PORT and
UPORT a TCP and a UDP port where a listener counts, MARK a number that only its processes have, and C the beginning of
a Python program. What is listed as harmful changes something when it runs without the sandbox, and a test tries that.
"""

from __future__ import annotations

C = (
    "import ctypes, fcntl, mmap, os, shutil, signal, socket, sqlite3, sys; "
    "l = ctypes.CDLL(None, use_errno=True); s = l.syscall; T = os.environ['T']"
)


def python(*programs: str) -> list[str]:
    """Shell texts that execute these Python programs; they contain no double quotes."""
    return [f'python3 -c "$C; {program}"' for program in programs]


FILES = [
    "echo x > $T/file", "echo x >> $T/file", ": > $T/file", "echo x > $T/new", "cat /etc/hostname > $T/new",
    "echo x | tee $T/file", "echo x | tee -a $T/file", "touch $T/new", "touch $T/file",
    "touch -d 2001-01-01 $T/file", "touch -h -d 2001-01-01 $T/link", "touch -r / $T/dir", "truncate -s 0 $T/file",
    "truncate -s 1M $T/file", "fallocate -l 4096 $T/new", "fallocate -p -l 4 $T/file",
    "dd if=/dev/zero of=$T/file bs=1 count=1 conv=notrunc", "dd of=$T/new if=/etc/hostname",
    "cp /etc/hostname $T/file", "cp -r $T/dir $T/copy", "cp -l $T/file $T/hard", "cp -s $T/file $T/soft",
    "cp --remove-destination /etc/hostname $T/link", "mv $T/file $T/moved", "mv -T $T/dir $T/moved", "rm $T/file",
    "rm -rf $T/dir", "unlink $T/link", "rmdir $T/empty", "mkdir $T/new", "mkdir -p $T/a/b/c", "mkfifo $T/new",
    "ln $T/file $T/hard", "ln -s /etc/passwd $T/soft", "ln -sf /etc/shadow $T/link", "chmod 777 $T/file",
    "chmod -R o+w $T/dir", "chmod u+s $T/script", "chown $(id -u) $T/file", "chown -h $(id -u) $T/link",
    "chgrp $(id -g) $T/file", "install -m 755 /etc/hostname $T/new", "sed -i s/c/d/ $T/file",
    "perl -pi -e 's/c/d/' $T/file", "perl -e 'open F, q(>), qq($ENV{T}/new)'", "perl -e 'unlink qq($ENV{T}/file)'",
    "perl -e 'utime 1, 1, qq($ENV{T}/file)'", "perl -e 'rename qq($ENV{T}/file), qq($ENV{T}/new)'",
    "perl -e 'truncate qq($ENV{T}/file), 0'", 'awk \'BEGIN { print 1 > ENVIRON["T"] "/new" }\'',
    "sort -r -o $T/new /etc/passwd", "split -b 1 $T/file $T/part", "gzip $T/file", "gzip -c $T/file > $T/new",
    "tar -cf $T/new /etc/hostname", "tar -cC /etc hostname | tar -xC $T", "shred -n 1 $T/file", "mktemp -p $T",
    "mktemp -d -p $T", "flock $T/new true", "openssl rand -out $T/new 4", "git init -q $T/new",
    "find $T -name file -delete", "find $T -name file -exec rm {} +", "find $T -name file -fprint $T/new",
    "echo $T/new | xargs touch", "cd $T && touch new", "cd $T/dir/.. && rm file", "env -C $T touch new",
    "cd $T && touch /proc/self/cwd/new", "touch /proc/self/root$T/new", "exec 3<$T/file; echo x > /proc/self/fd/3",
    "exec 3<$T; touch /proc/self/fd/3/new", "bash -c 'exec 3<>$T/file; echo x >&3'", "bash -c 'echo x >| $T/file'",
    "bash -c 'umask 0; > $T/new'", 'cat > $T/new <<END\nx\nEND', "$T/script", "sh $T/script", ". $T/script",
    "eval 'tou''ch $T/new'", "echo dG91Y2ggJFQvbmV3Cg== | base64 -d | sh", "nice -n 5 touch $T/new",
    "timeout 5 touch $T/new", "setsid -w touch $T/new", "nohup touch $T/new", 'env -i /bin/sh -c "touch $T/new"',
    "stdbuf -o0 tee $T/new < /etc/hostname", "patch $T/file </dev/null; touch $T/new",
    "ssh-keygen -q -t ed25519 -N '' -f $T/new", "HOME=$T git config --global user.name x",
    "diff /etc/hostname /etc/passwd > $T/new", "ln -T $T/script $T/hard",
    *python(
        "open(T + '/file', 'w')", "open(T + '/file', 'r+').write('x')", "os.replace(T + '/file', T + '/new')",
        "shutil.rmtree(T + '/dir')", "os.truncate(T + '/file', 1)", "os.utime(T + '/file', (1, 1))",
        "os.setxattr(T + '/file', 'user.x', b'x')", "os.fchmod(os.open(T + '/file', 0), 0o777)",
        "os.fchown(os.open(T + '/file', 0), os.getuid(), -1)", "os.utime(os.open(T + '/file', 0), (1, 1))",
        (
            "f = os.open(T, os.O_TMPFILE | os.O_RDWR); s(265, -100, b'/proc/self/fd/%d' % f, -100, (T + "
            "'/new').encode(), 0x400)"
        ),
        "m = mmap.mmap(os.open(T + '/file', os.O_RDWR), 4); m[0:1] = b'x'; m.flush()",
        "sqlite3.connect(T + '/new').execute('create table t (a)')", "os.mknod(T + '/new')",
        "os.link(T + '/file', T + '/new')", "os.posix_fallocate(os.open(T + '/file', os.O_WRONLY), 0, 9999)",
        "os.symlink('x', T + '/new')",
        "f = os.open(T + '/new', 65); os.copy_file_range(os.open('/etc/passwd', 0), f, 9)",
        "os.sendfile(os.open(T + '/new', 65), os.open('/etc/passwd', 0), 0, 9)",
        "os.rename(T + '/dir', T + '/new')", "os.pwrite(os.open(T + '/file', 1), b'x', 0)",
        "s(316, -100, (T + '/file').encode(), -100, (T + '/dir').encode(), 2)",
        "d = os.open(T, 0); os.mkdir('new', dir_fd=d)", "d = os.open(T, 0); os.unlink('file', dir_fd=d)",
        "os.chdir(T); open('new', 'w')", "os.open(T + '/new', 66)",
        "s(437, -100, (T + '/new').encode(), b'B\\0\\0\\0\\0\\0\\0\\0\\xa4\\1' + bytes(14), 24)",
        "b = socket.socket(socket.AF_UNIX); b.bind(T + '/new')", "s(85, (T + '/new').encode(), 0o644)",
        "f = fcntl.ioctl(os.open(T + '/file', 0), 0x40086602, b'\\x40' + bytes(7))",
    ),
]  # fmt: skip
"""Writes to files that the user may write."""

PIPES = [
    "echo x > $T/fifo", "echo x >> $T/fifo", "echo x | tee $T/fifo", "bash -c 'exec 3<>$T/fifo; echo x >&3'",
    "dd if=/etc/hostname of=$T/fifo", "cd $T && echo x > /proc/self/cwd/fifo", "cat /etc/hostname > $T/fifo",
    "perl -e 'open F, q(>), qq($ENV{T}/fifo); print F 1'", "cp /etc/hostname /dev/stdout > $T/fifo",
    *python(
        "os.write(os.open(T + '/fifo', 1 | os.O_NONBLOCK), b'x')", "os.write(os.open(T + '/fifo', 2), b'x')",
    ),
]  # fmt: skip
"""Writes to a named pipe that another process reads."""

SOCKETS = [
    "bash -c 'echo x > /dev/tcp/127.0.0.1/$PORT'", "bash -c 'echo x > /dev/udp/127.0.0.1/$UPORT'",
    "curl -sm 2 http://127.0.0.1:$PORT/", "curl -sm 2 --unix-socket $T/stream.sock http://x/",
    "curl -sm 2 'http://[::1]:'$PORT/ || curl -sm 2 http://localhost:$PORT/", "logger -u $T/datagram.sock x",
    "NOTIFY_SOCKET=$T/datagram.sock systemd-notify --ready", "timeout 2 openssl s_client -connect 127.0.0.1:$PORT",
    "SSH_AUTH_SOCK=$T/stream.sock timeout 2 ssh-add -l",
    "busctl --timeout=1 --address=unix:path=$T/stream.sock list",
    (
        "DOCKER_HOST=unix://$T/stream.sock timeout 2 docker ps; timeout 2 curl -s --unix-socket $T/stream.sock "
        "http://d/info"
    ),
    "timeout 2 ssh -p $PORT -o BatchMode=yes 127.0.0.1", "git ls-remote http://127.0.0.1:$PORT/x",
    "perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Peer => qq($ENV{T}/stream.sock))'",
    "perl -MIO::Socket::INET -e 'IO::Socket::INET->new(qq(127.0.0.1:$ENV{PORT}))'",
    *python(
        "socket.socket(1).connect(T + '/stream.sock')", "socket.socket(1, 2).sendto(b'x', T + '/datagram.sock')",
        "socket.socketpair(1, 2)[0].sendto(b'x', T + '/datagram.sock')",
        "a, b = socket.socketpair(1, 2); a.connect(T + '/datagram.sock'); a.send(b'x')",
        "os.chdir(T); socket.socket(1).connect('stream.sock')",
        "socket.socket(1).connect(chr(0) + os.environ['MARK'])",
        "socket.create_connection(('127.0.0.1', int(os.environ['PORT'])), 2)",
        "socket.socket(2, 2).sendto(b'x', ('127.0.0.1', int(os.environ['UPORT'])))",
        "socket.socket().sendto(b'x', 0x20000000, ('127.0.0.1', int(os.environ['PORT'])))",
        "socket.socket(10).connect(('::ffff:127.0.0.1', int(os.environ['PORT'])))",
        "socket.socket(2, 1, 262).connect(('127.0.0.1', int(os.environ['PORT'])))",
    ),
]  # fmt: skip
"""Connections and messages to sockets of other processes."""

SIGNALS = [
    "kill $VICTIM", "kill -9 $VICTIM", "kill -STOP $VICTIM", "kill -USR1 $VICTIM", "/bin/kill -9 $VICTIM",
    "bash -c 'kill -9 $VICTIM'", "pkill -9 -f $MARK", "perl -e 'kill 9, $ENV{VICTIM}'",
    "prlimit --pid $VICTIM --nofile=99:99", "taskset -p 1 $VICTIM", "ionice -c 3 -p $VICTIM",
    "echo 999 > /proc/$VICTIM/oom_score_adj", "chrt -b -p 0 $VICTIM",
    *python(
        "v = int(os.environ['VICTIM']); os.kill(v, 9)", "v = int(os.environ['VICTIM']); s(234, v, v, 9)",
        "v = int(os.environ['VICTIM']); s(200, v, 9)",
        "v = int(os.environ['VICTIM']); signal.pidfd_send_signal(os.pidfd_open(v), 9)",
        "v = int(os.environ['VICTIM']); os.killpg(os.getpgid(v), 9)",

    ),
]  # fmt: skip
"""Signals to another process of the user, and changes of it."""

CHILDREN = [
    "setsid sleep $MARK >/dev/null 2>&1 </dev/null &", "nohup sleep $MARK >/dev/null 2>&1 </dev/null &",
    "(setsid sleep $MARK >/dev/null 2>&1 &) &", 'sh -c \'trap "" HUP TERM; sleep $MARK\' >/dev/null 2>&1 &',
    "bash -c 'sleep $MARK >/dev/null 2>&1 & disown'", "setsid -f sleep $MARK >/dev/null 2>&1",
    "start-stop-daemon --start --background --pidfile /nowhere --startas /bin/sleep -- $MARK",
    (
        "perl -MPOSIX -e 'fork and exit; POSIX::setsid(); fork and exit; close STDOUT; close STDERR; exec "
        "qw(sleep), $ENV{MARK}'"
    ),
    *python(
        (
            "os.fork() and os._exit(0); os.setsid(); os.fork() and os._exit(0); os.closerange(0, 9); "
            "os.execlp('sleep', 'sleep', os.environ['MARK'])"
        ),
    ),
]  # fmt: skip
"""Processes that outlive the command."""

KERNEL = [
    "sysctl -w kernel.hostname=changed", "sysctl -w vm.swappiness=11", "sysctl -w net.ipv4.ip_forward=1",
    "echo 11 > /proc/sys/vm/swappiness", "echo x > /proc/sys/kernel/hostname",
    "echo '|/bin/false' > /proc/sys/kernel/core_pattern", "echo 1 > /proc/sys/vm/drop_caches",
    "echo 999 > /proc/sys/kernel/pid_max", "echo 0 > /proc/sys/kernel/randomize_va_space",
    "echo h > /proc/sysrq-trigger", "echo 0 > /proc/self/oom_score_adj", "echo x > /proc/self/comm",
    "echo x > /proc/self/mem", "echo x > /proc/1/mem", "echo 1 > /proc/1/clear_refs",
    "echo 0 > /proc/self/timerslack_ns", "ls /proc/1/fd/ && echo x > /proc/1/fd/5", "touch /proc/1/root/$T/new",
    "touch /proc/1/cwd/new", "echo 1 > /proc/irq/default_smp_affinity", "echo x > /proc/fs/binfmt_misc/register",
    "echo 1 > /sys/kernel/mm/ksm/run", "echo 99 > /sys/block/vda/queue/nr_requests",
    "echo always > /sys/kernel/mm/transparent_hugepage/enabled", "echo 1 > /sys/kernel/debug/x",
    "echo 1 > /sys/kernel/tracing/tracing_on", "mkdir /sys/fs/cgroup/cpu/new", "mkdir /sys/fs/cgroup/unified/new",
    "echo $$ > /sys/fs/cgroup/freezer/cgroup.procs", "echo $$ > /sys/fs/cgroup/pids/tasks", "hostname changed",
    "domainname changed", "hostnamectl hostname changed", "timedatectl set-time 2001-01-01", "date -s 2001-01-01",
    "hwclock --systohc", "loginctl terminate-user 0", "localectl set-locale C", "mount -t tmpfs none /mnt",
    "mount -o remount,rw /", "mount -o remount,rw,bind /etc", "mount --bind / /mnt; touch /mnt/new",
    "mount --make-rshared /", "umount -l /proc", "umount /dev/shm", "umount -a", "mount -t proc none /mnt",
    "mount -t overlay none /mnt", "pivot_root / /mnt", "chroot / touch $T/new", "unshare -r touch $T/new",
    "unshare -m mount -o remount,rw /", "unshare -Urm mount -t tmpfs none /mnt", "nsenter -t 1 -m touch $T/new",
    "nsenter -t 1 -a touch $T/new", "nsenter -t $VICTIM -m touch $T/new", "losetup -f /etc/hostname",
    "losetup -a; echo > /dev/loop-control", "swapoff -a", "swapon $T/file", "modprobe dummy", "insmod $T/file",
    "rmmod loop", "kexec -l $T/file", "quotaoff -a", "setquota -u 0 0 0 0 0 /", "ip link add new type dummy",
    "ip link set lo mtu 60000", "ip addr add 192.0.2.99/32 dev lo", "ip route add 198.51.100.0/24 dev lo",
    "ip netns add new", "ip rule add from all table 9", "ip neigh add 192.0.2.77 lladdr 02:00:00:00:00:01 dev eth0",
    "tc qdisc add dev lo root pfifo", "iptables -A INPUT -j ACCEPT", "nft add table x", "ss -K dst 127.0.0.1",
    "arp -s 192.0.2.78 02:00:00:00:00:02", "chattr +i $T/file", "setcap cap_net_raw+ep $T/script",
    "setfattr -n user.x -v y $T/file", "setfacl -m u:1:r $T/file", "debugfs -w -R 'rm x' /dev/vda",
    "dd if=/dev/null of=/dev/vda count=0 conv=notrunc", "dd if=/dev/null of=/dev/mem count=0", "echo x > /dev/kmsg",
    "echo x > /dev/port", "echo x > /dev/tty", "echo x > /dev/console", "echo x > /dev/shm/$MARK",
    "mknod $TMPDIR/d b 254 0 && dd if=/dev/null of=$TMPDIR/d", "mknod $TMPDIR/k c 1 11 && echo x > $TMPDIR/k",
    "mknod $T/d b 254 0", "cp -a /dev/null $T/new", "echo x > $T/device", "dmesg -C", "dmesg -n 1", "wall x",
    "logger x", "systemd-cat echo x", "ipcmk -M 4096", "ipcmk -Q", "ipcmk -S 1", "ipcrm -a",
]  # fmt: skip
"""Changes of settings of the kernel, mounts, networks and devices. They are not tried without the sandbox."""

SYSTEM = [
    "renice -n 19 -p $VICTIM",
    "systemctl start new.service", "systemctl daemon-reload", "systemctl mask ssh", "systemctl --user start x",
    "systemd-run true", "systemd-run --user true", "systemd-run --on-active=1 touch $T/new", "systemctl reboot",
    "shutdown -k now", "telinit q", "reboot -w",
    "busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager Reload",
    "loginctl enable-linger", "dbus-send --system --dest=org.freedesktop.DBus / org.freedesktop.DBus.ListNames",
    "journalctl --vacuum-time=1s", "journalctl --rotate", "echo 'touch $T/new' | at now",
    "echo '* * * * * root touch /x' > /etc/cron.d/new", "(crontab -l; echo '* * * * * true') | crontab -",
    "mkdir -p ~/.config/systemd/user; echo > ~/.config/systemd/user/new.service",
    "echo > /etc/systemd/system/new.service", "ln -s /dev/null /run/systemd/system/new.service",
    "su -c 'touch $T/new'", "sudo -n touch $T/new", "su daemon -s /bin/sh -c 'touch $T/new'",
    "runuser -u daemon touch $T/new", "setpriv --reuid 1 touch $T/new", "sg root 'touch $T/new'", "passwd -l root",
    "useradd new", "groupadd new", "usermod -L daemon", "chsh -s /bin/sh",
    "chpasswd </dev/null; vipw -s </dev/null", "dpkg -i $T/file", "dpkg --configure -a", "apt-get -y install hello",
    "apt-get clean", "update-alternatives --auto editor", "pip install --user hello", "ldconfig",
    "update-ca-certificates", "ssh-keygen -A", "gpg --batch --gen-key </dev/null", "npm install x",
    "docker run hello", "podman run hello", "echo x >> /etc/passwd", "echo x >> /etc/hosts", "echo x >> ~/.bashrc",
    "echo x > ~root/new", "touch /new", "touch /usr/bin/new", "touch /var/tmp/$MARK", "touch /tmp/$MARK",
    "touch /run/$MARK", "touch /var/log/$MARK", "rm -rf /etc/hostname", "rm -rf --no-preserve-root $T/",
    "echo x > /proc/self/fd/0", "exec 9<>/etc/hostname", "cd $T; ulimit -c unlimited; sh -c 'kill -SEGV $$'",
    "ulimit -Hn unlimited; touch $T/new", "script -qc 'touch $T/new' $T/typescript", "screen -dm touch $T/new",
    "kill -9 -1", "kill -9 1", "kill -9 0", "kill -9 $PPID", "exec 3<$T/file; flock -x 3; echo x >&3",
    "PATH=$T:$PATH script", "LD_PRELOAD=$T/file touch $T/new",
    "cp /bin/touch $TMPDIR/t; chmod u+s $TMPDIR/t; $TMPDIR/t $T/new", "ln -s $T $TMPDIR/l; touch $TMPDIR/l/new",
    "ln $T/file $TMPDIR/hard; echo x > $TMPDIR/hard", "mv $T/file $TMPDIR/",
    "cp -a $T/suid $TMPDIR/; $T/suid $T/new", "$T/suid $T/new", "gdb -batch -p $VICTIM", "strace -p $VICTIM",
    "gcore -o $T/core $VICTIM", "getent hosts name.invalid", "ping -c 1 -W 1 127.0.0.1",
    "timeout 2 dig @127.0.0.1 -p $UPORT x", "sendmail root </dev/null", "printf x | mail root", "lp /etc/hostname",
    "echo x | nc -w1 127.0.0.1 $PORT",
]  # fmt: skip
"""Changes of services, accounts, packages and schedules, and detours to files. None is tried without the sandbox."""

CALLS = python(
    "os.setpriority(0, int(os.environ['VICTIM']), 19)", "os.setpriority(2, os.getuid(), 19)",
    "print(s(169, 0xfee1dead, 672274793, 0, 0))", "s(170, b'changed', 7)", "s(164, b'\\0' * 16, 0)",
    "s(227, 0, b'\\0' * 16)", "s(159, b'\\1' + bytes(207))", "s(165, b'none', b'/mnt', b'tmpfs', 0, 0)",
    "s(165, b'none', b'/', b'', 32, 0)", "s(166, b'/proc', 2)", "s(155, b'/', b'/')",
    "s(272, 0x10000000) and 1/0; s(272, 0x20000); open(T + '/new', 'w')",
    "s(308, os.open('/proc/1/ns/mnt', 0), 0); open(T + '/new', 'w')",
    "p = s(56, 0x10000011, 0, 0, 0, 0); p or (open(T + '/new', 'w'), os._exit(0))", "s(435, b'\\0' * 88, 88)",
    "s(161, b'.')", "s(101, 16, int(os.environ['VICTIM']), 0, 0)",
    "s(311, int(os.environ['VICTIM']), 0, 0, 0, 0, 0)", "s(248, b'user', b'new', b'x', 1, -4)",
    "s(249, b'user', b'new', 0, -4)", "s(250, 1, b'new')", "s(250, 0, -3, 1)", "s(321, 0, b'\\0' * 72, 72)",
    "s(298, b'\\0' * 112, 0, -1, -1, 0)", "s(323, 0)", "s(425, 8, b'\\0' * 120)", "s(426, 0, 0, 0, 0, 0, 0)",
    "s(428, -100, b'/', 1)", "s(430, b'tmpfs', 0)",
    "s(442, -100, b'/', 0x8000, b'\\0' * 8 + b'\\1' + bytes(23), 32)", "s(429, -100, b'/dev', -100, b'/mnt', 0)",
    "s(304, -100, bytes(16), 2)", "s(300, 0, 0)", "s(163, (T + '/file').encode())",
    "s(167, (T + '/file').encode(), 0)", "s(175, b'', 0, b'')", "s(313, os.open(T + '/file', 0), b'', 0)",
    "s(246, 0, 0, 0, 0)", "s(320, -1, -1, 0, b'', 0)", "s(172, 3)", "s(153)", "s(179, 0x80000700, 0, 0, bytes(80))",
    "s(438, os.pidfd_open(1), 3, 0)", "fcntl.fcntl(os.open(T + '/file', 0), 1024, 1)",
    "fcntl.ioctl(0, 0x5412, b'x')", "socket.socket(38, 5)", "socket.socket(40, 1)", "socket.socket(17, 3)",
    "socket.socket(16, 3, 9)", "socket.socket(16, 3, 16)", "socket.socket(16, 3, 15)",
    "n = socket.socket(16, 3, 0); n.sendto(b'\\x20\\0\\0\\0\\x10\\0\\5\\6' + bytes(24), (0, 0))",
    "s(29, 7777, 4096, 0o1666)", "s(68, 7777, 0o1666)", "s(64, 7777, 1, 0o1666)", "s(240, b'new', 66, 0o666, 0)",
    "os.open('/dev/shm/' + os.environ['MARK'], 66)",
    "f = os.memfd_create('x'); os.write(f, b'x'); os.link(f'/proc/self/fd/{f}', T + '/new')", "os.setuid(1)",
    "os.setgroups([0])", "s(126, b'\\0' * 8, b'\\xff' * 24)", "s(157, 38, 0, 0, 0, 0)",
    "signal.pthread_kill; os.kill(1, 9)", "[os.kill(p, 9) for p in range(2, 400) if p != os.getpid()]",
    "s(265, os.open(T, 0), b'file', -100, (T + '/new').encode(), 0)", "s(258, -100, (T + '/new').encode(), 0o777)",
    "s(90, (T + '/file').encode(), 0o777)", "s(452, -100, (T + '/file').encode(), 0o777, 0)",
    "s(92, (T + '/file').encode(), 1, 1)", "s(188, (T + '/file').encode(), b'user.x', b'y', 1, 0)",
    "s(132, (T + '/file').encode(), 0)", "s(280, -100, (T + '/file').encode(), 0, 0)",
)  # fmt: skip
"""System calls of x86-64, made directly."""

HUNGRY = [
    "bomb() { bomb | bomb & }; bomb; sleep 2", "i=0; while [ $i -lt 9999 ]; do sleep $MARK & i=$((i+1)); done",
    "dd if=/dev/zero of=$TMPDIR/big bs=1M count=4096",
    "i=0; while [ $i -lt 20000 ]; do : > $TMPDIR/$i || exit 1; i=$((i+1)); done",
    *python(
        "b = bytearray(5 << 30)",
        "f = os.memfd_create('x'); os.truncate(f, 1 << 40); [os.write(f, bytes(1 << 20)) for _ in range(5000)]",
    ),
]  # fmt: skip
"""Commands that use as much as they get."""

HARMFUL = {"files": FILES, "pipes": PIPES, "sockets": SOCKETS, "signals": SIGNALS, "children": CHILDREN}
