"""Parameters by which a module would write further lines or fields, or pass further options, than they name."""

from __future__ import annotations

from typing import Any

import pytest

from ftl2_enterprise.gate.smuggled import smuggled

_JOB = {"job": "/usr/bin/backup"}
_LINE = "x\n* * * * * root rm -r /data"

REFUSED: list[tuple[str, dict[str, Any]]] = [
    # `iptables -f` takes no value, so that the value is a separate argument.
    *(("iptables", {"fragment": text}) for text in ("--modprobe=/t", "!--modprobe=/t", "! --modprobe=/t")),
    ("iptables", {"tcp_flags": {"flags": ["SYN"], "flags_set": ["--modprobe=/t"]}}),
    *(("iptables", {param: "x/../../t/evil"}) for param in ("match", "jump", "protocol")),
    *(("cron", {param: _LINE, **_JOB}) for param in ("name", "minute", "insertafter", "special_time", "user")),
    *(("cron", {"name": f"x{sign}* * * * * rm -r /data", **_JOB}) for sign in "\v\f\r\x1c\x1d\x1e\x85\u2028\u2029"),
    *(("cron", {param: "* rm -r /data #", **_JOB}) for param in ("minute", "hour", "day", "dom", "month")),
    *(("cron", {param: "* rm -r /data #", **_JOB}) for param in ("weekday", "dow", "special_time")),
    *(("cron", {"minute": text, **_JOB}) for text in ("", "PATH=/t:", "@reboot", "#", "5 ", ["5", "6"])),
    *(("cron", {"user": text, "cron_file": "x", **_JOB}) for text in ("root touch /t;", "", "root\t/t", "-u")),
    *(("cron", {"job": f"/usr/bin/backup{sign}* * * * * rm -r /data"}) for sign in "\n\r\v\x85\u2028"),
    ("cron", {"job": "\n* * * * * rm -r /data", "env": True, "name": "X"}),
    *(("cron", {"name": text, "env": True, **_JOB}) for text in (".*", "[^=]*", "A|B")),
    ("cron", {"insertbefore": ".*", "name": "X", "env": "yes", **_JOB}),
    *(("cronvar", {param: _LINE}) for param in ("name", "value", "user", "insertafter")),
    *(("yum_repository", {"name": text}) for text in ("x]\nbaseurl=http://evil/\n[y", "x]", "[x", "x y", "x\n", "")),
    ("yum_repository", {"description": "x\nbaseurl=http://evil/", "name": "x"}),
    ("yum_repository", {"exclude": ["a\nb=c"], "name": "x"}),
    *(("yum_repository", {"baseurl": text}) for text in ("http://a/ http://b/", "http://a/\nhttp://b/")),
    ("yum_repository", {"baseurl": ["http://a/,http://b/"], "name": "x"}),
    *(("yum_repository", {param: "http://a/ http://b/"}) for param in ("mirrorlist", "metalink", "gpgkey")),
    *(("ini_file", {"section": text}) for text in ("x]\n[y", "x]", "x\ny=z", "# x")),
    *(("ini_file", {"option": text}) for text in ("a=b", "a = b #", "[y]", "a\nb", ";a")),
    *(("community.general.ini_file", {param: "1\n[y]\nb=2"}) for param in ("value", "values")),
    ("ini_file", {"section_has_values": [{"option": "a", "value": "1\nb=2"}]}),
    ("apt_repository", {"repo": "deb http://a x main\ndeb http://b x main"}),
    *(("apt_repository", {"codename": text}) for text in ("x main", "x\ndeb http://b x main")),
    *(("deb822_repository", {param: ["a b"]}) for param in ("uris", "suites", "components", "architectures")),
    ("deb822_repository", {"uris": "http://a\nhttp://b"}),
    *(("deb822_repository", {param: "x\nTrusted: yes"}) for param in ("name", "inrelease_path")),
    *(("hostname", {"name": text}) for text in ("-Hroot@h", "a\nb", "a b", 'a"; x', "--file=/t")),
    *(("sysctl", {"name": text}) for text in ("a=1\nb", "a = 1", "-p/t", "--load=/t", "")),
    ("ansible.posix.sysctl", {"value": "1\nkernel.modprobe=/t", "name": "x"}),
    ("known_hosts", {"name": "a\nb"}),
    ("known_hosts", {"key": "h ssh-rsa AAAA\n@cert-authority * ssh-rsa BBBB", "name": "h"}),
    *(("authorized_key", {param: 'x" ssh-rsa AAAA\nssh-rsa BBBB'}) for param in ("key_options", "comment", "user")),
    *(("mount", {param: "x\n/dev/b /b ext4"}) for param in ("path", "src", "opts", "fstype", "dump", "passno")),
    *(("mount", {param: "x\t/b"}) for param in ("path", "name", "src", "opts", "fstype")),
    ("mount", {"fstype": "ext4 suid"}),
    ("mount", {"src": "--bind"}),
    ("user", {"password": "x\nroot:y", "name": "a"}),
    *(("user", {param: "a\nroot:x:0:0::/:/bin/sh"}) for param in ("name", "comment", "home", "shell")),
    ("debconf", {"question": "a/b\n", "name": "x"}),
    ("debconf", {"question": "a/b string pwned", "name": "x"}),
    ("debconf", {"value": "\nnginx nginx/z string pwned", "name": "x"}),
    ("sudoers", {"commands": ["/bin/a, ALL"]}),
    ("sudoers", {"commands": "/bin/a\nroot ALL=ALL"}),
    *(("sudoers", {param: "ALL ALL=(ALL) NOPASSWD: ALL #"}) for param in ("user", "group", "host", "runas")),
    ("ssh_config", {"hostname": "x\nProxyCommand /t"}),
    *(("ufw", {param: "x' from any"}) for param in ("from_ip", "to_port", "interface", "comment", "name")),
    *(("modprobe", {param: "-C/t"}) for param in ("name", "params")),
    ("modprobe", {"params": "a=1 -C/t"}),
    *(("timezone", {"name": text}) for text in ("-Hroot@h", "a b")),
    *(("lvol", {param: "x --config=y"}) for param in ("lv", "vg", "snapshot", "thinpool", "pvs")),
    # A sign that a shell expands becomes names of files in the working directory, which can be options.
    *(("git", {"key_file": text}) for text in ("*", "?", "[a-z]", "/x/*", "{a,b}")),
    *(("dnf", {"name": text}) for text in ("*", "foo*", "?", "[a-z]", ["x", "*"])),
    *(("yum", {param: "*"}) for param in ("enablerepo", "disablerepo")),
    ("dnf5", {"name": ["a\n", "reboot"]}),
    ("swap", {"path": "/x\n"}),
    *(("getent", {param: "-sx/../evil"}) for param in ("database", "key", "service")),
    *(("getent", {param: "x/../evil"}) for param in ("database", "service")),
    *(("getent", {param: text}) for param in ("database", "key", "service") for text in ("a b", "a\nb", "a'b")),
    *(("stat", {param: "-C"}) for param in ("path", "dest", "name")),
    ("rpm_key", {"key": "--pipe=/t"}),
    ("pip", {"virtualenv": "--python=/t"}),
    *(("acl", {param: "--restore=/t"}) for param in ("path", "name")),
    *(("synchronize", {param: "--rsh=/t"}) for param in ("src", "dest")),
    *(("service", {"runlevel": text, "name": "x"}) for text in ("3 -x", "--x")),
    ("service", {"name": "nginx\n"}),
]

ALLOWED: list[tuple[str, dict[str, Any]]] = [
    (
        "cron",
        {"name": "check dirs: a, b", "minute": "*/5", "hour": "5,2", "day": "1-7", "weekday": "MON-FRI", **_JOB},
    ),
    ("cron", {"name": "x", "minute": 0, "hour": "0~6", "job": "ls -al > /dev/null\n", "user": "web-1.a"}),
    ("cron", {"name": "x", "special_time": "reboot", "job": "echo\ta", "cron_file": "x", "user": "root"}),
    ("cron", {"name": "MAILTO", "env": True, "value": "a@b.example", "insertafter": "PATH"}),
    ("cron", {"name": "no (job)", "state": "absent", "env": False, "minute": None}),
    ("cronvar", {"name": "PATH", "value": "/bin:/usr/bin"}),
    (
        "yum_repository",
        {
            "name": "epel-8.x",
            "description": "EPEL [8]: more\n",
            "baseurl": "https://h.example/$releasever/$basearch/",
            "gpgkey": ["https://h.example/key", "file:///etc/key"],
            "exclude": ["a*", "b-?"],
            "enabled": True,
            "priority": 10,
        },
    ),
    ("ini_file", {"section": "my shares", "option": "fruit:aapl", "value": "a = [b]; c", "path": "/x"}),
    ("ini_file", {"section": "x", "values": ["a", "b"], "option": "log level", "path": "/x"}),
    ("apt_repository", {"repo": "deb [arch=amd64 signed-by=/k] http://a x main\n", "filename": "a"}),
    ("apt_repository", {"repo": "ppa:nginx/stable", "codename": "jammy"}),
    ("deb822_repository", {"name": "My repository", "uris": ["http://a/$(ARCH)"], "suites": "x,y", "types": ["deb"]}),
    ("deb822_repository", {"name": "x", "uris": "http://a", "signed_by": "-----BEGIN\n\nx\n-----END\n"}),
    ("hostname", {"name": "web-1.example.org", "use": "systemd"}),
    ("sysctl", {"name": "net.ipv4.conf.eth0/1.rp_filter", "value": "4096\t87380 6291456"}),
    ("known_hosts", {"name": "[h.example]:2222", "key": "[h.example]:2222 ssh-ed25519 AAAA a@b\n"}),
    ("authorized_key", {"user": "a", "key": "ssh-rsa AAAA a b\nssh-rsa BBBB", "key_options": 'from="10.0.0.0/8"'}),
    ("mount", {"path": "/mnt/a b", "src": "//h/a b", "fstype": "nfs4", "opts": "ro,x=y", "dump": "0", "passno": 2}),
    ("user", {"name": "a$", "comment": "A B, room 1", "password": "$6$a$b/c", "shell": "/bin/sh"}),
    ("debconf", {"name": "x", "question": "a/b-c", "value": "1, 2\n", "vtype": "multiselect"}),
    ("sudoers", {"name": "x", "user": "a", "runas": "ALL:ALL", "commands": ["/bin/a -b", "/bin/c x\\,y"]}),
    ("ssh_config", {"host": "*.example", "hostname": "h.example", "user": "a"}),
    ("ufw", {"rule": "allow", "from_ip": "fe80::/10", "to_port": "80,443", "name": "Nginx Full", "comment": "a b"}),
    ("modprobe", {"name": "8021q", "params": "a=1 b=-1"}),
    ("timezone", {"name": "Etc/GMT+5"}),
    ("lvol", {"vg": "a", "lv": "b", "size": "-10G"}),
    ("getent", {"database": "services", "key": "http/tcp"}),
    ("getent", {"database": "hosts", "key": "::1", "service": "files"}),
    ("iptables", {"match": ["state"], "jump": "ACCEPT", "tcp_flags": {"flags": ["ALL"], "flags_set": ["ACK"]}}),
    ("iptables", {"fragment": "!", "protocol": "!tcp", "source": "-x"}),
    ("service", {"name": "nginx", "runlevel": "default"}),
    ("git", {"repo": "a", "key_file": "/home/a/.ssh/id-1"}),
    ("stat", {"path": "./-C"}),
]


@pytest.mark.parametrize(("module", "params"), REFUSED)
def test_a_call_with_such_a_parameter_is_refused_and_the_parameter_named(module: str, params: dict[str, Any]) -> None:
    why = smuggled(module, params)
    assert why is not None
    assert why.startswith(f"cannot use the parameter {next(iter(params))} of {module}: ")


@pytest.mark.parametrize(("module", "params"), ALLOWED)
def test_parameters_of_one_line_are_used(module: str, params: dict[str, Any]) -> None:
    assert smuggled(module, params) is None
