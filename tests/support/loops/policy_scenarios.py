"""Spellings by which a policy could be evaded: one table, each entry with the rule that has to deny it.

`{tmp}` stands for a directory of the test. Where `made` is given, the entry is also executed: that file must not exist
afterwards.
"""

# ruff: noqa: E501 - one line for each attempt

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.support.places import HOME_OF_ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

INVENTORY = """
prod:
  hosts:
    prod-1: {ansible_host: 10.9.9.1}
    prod-2: {ansible_host: 10.9.9.2, ansible_port: 2222}
staging:
  hosts:
    staging-1: {ansible_host: 10.9.9.3}
    here: {ansible_connection: local}
"""
"""Of the entries about hosts."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One attempt."""

    name: str
    match: Mapping[str, str]
    """Of the rule that denies; `both` in `applies_to` below."""
    module: str
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])
    host: str = "localhost"
    add_hosts: Sequence[Mapping[str, Any]] = ()
    """Registered before, if that is not refused."""
    removes: Sequence[str] = ()
    """Removed before that, if that is not refused."""
    observes: bool = False
    """Whether it is an observation, and the rule applies to observations, too."""
    prepared: str = ""
    """A shell command that is executed in {tmp} before."""
    made: str = ""
    """A file in {tmp} that it would make."""
    limit: str = ""
    """If it is not denied: the limit that docs/reference/policy.md describes, by its heading."""


def _s(
    name: str, match: Mapping[str, str], module: str, params: Mapping[str, Any] | None = None, **kw: Any
) -> Scenario:
    return Scenario(name=name, match=match, module=module, params=params or {}, **kw)


P = {"param.path": "{tmp}/ssh/*"}
"""The way in is not to be touched."""
C = {"param.cmd": "*touch*"}
X = {"module": "shell"}
N = {"param.name": "nginx"}
MADE = "ssh/made"
DIR = "mkdir -p ssh x"


def _path(name: str, module: str, params: Mapping[str, Any], **kw: Any) -> Scenario:
    return _s(name, P, module, params, **{"prepared": DIR, "made": MADE, **kw})


KNOWN: tuple[Scenario, ...] = (
    # Plain forms, which must never stop being denied.
    _path("path", "file", {"path": "{tmp}/ssh/made", "state": "touch"}),
    _path("dest of lineinfile", "lineinfile", {"dest": "{tmp}/ssh/made", "line": "x", "create": True}),
    _s("path of tempfile", P, "tempfile", {"path": "{tmp}/ssh"}, prepared=DIR),
    _s("cmd", C, "shell", {"cmd": "touch {tmp}/made"}, made="made"),
    _s("argv", C, "command", {"argv": ["touch", "{tmp}/made"]}, made="made"),
    _s("raw params", C, "command", {"_raw_params": "touch {tmp}/made"}, made="made"),
    _s("free form", C, "command", {"free_form": "touch {tmp}/made"}, made="made"),
    _s("cmd as a list", C, "command", {"cmd": ["touch", "{tmp}/made"]}, made="made"),
    _s("shell", X, "shell", {"cmd": "touch {tmp}/made"}, made="made"),
    _s("command for shell", X, "command", {"cmd": "touch {tmp}/made"}, made="made"),
    _s("full name", X, "ansible.builtin.shell", {"cmd": "touch {tmp}/made"}, made="made"),
    _s("legacy name", X, "ansible.legacy.command", {"cmd": "touch {tmp}/made"}, made="made"),
    _s("full name twice", X, "ansible.builtin.ansible.builtin.shell", {"cmd": "touch {tmp}/made"}, made="made"),
    _s("capitals", X, "SHELL", {"cmd": "touch {tmp}/made"}, made="made"),
    _s("a blank after the module", X, "shell ", {"cmd": "touch {tmp}/made"}, made="made"),
    _s("dots around the module", X, ".shell.", {"cmd": "touch {tmp}/made"}, made="made"),
    _s("alias of ec2", {"module": "amazon.aws.ec2_instance"}, "ec2_instance"),
    _s("alias of ec2, the other way", {"module": "ec2_instance"}, "amazon.aws.ec2_instance"),
    _s("alias of gcp", {"module": "google.cloud.gcp_compute_instance"}, "gcp_compute_instance"),
    _s("alias of gcp, the other way", {"module": "gcp_compute_instance"}, "google.cloud.gcp_compute_instance"),
    _s("package", N, "apt", {"name": "nginx"}),
    _s("host", {"host": "prod-*"}, "ping", host="prod-1"),
    _s("host by its group", {"host": "prod"}, "ping", host="prod-1"),
    _s("this machine", {"host": "localhost"}, "shell", {"cmd": "touch {tmp}/made"}, made="made"),
    _s("this machine as local", {"host": "local"}, "shell", {"cmd": "touch {tmp}/made"}, made="made"),
    _s("a new name for a denied address", {"host": "prod-*"}, "ping", host="harmless",
       add_hosts=[{"name": "harmless", "ansible_host": "10.9.9.1"}]),
    _s("a denied host without its groups", {"host": "prod"}, "ping", host="prod-1",
       add_hosts=[{"name": "prod-1", "ansible_host": "10.9.9.1", "groups": []}]),
    _s("a denied host in another group", {"host": "prod"}, "ping", host="prod-1",
       add_hosts=[{"name": "prod-1", "groups": ["staging"]}]),
    _s("removed and added without its groups", {"host": "prod"}, "ping", host="prod-1", removes=["prod-1"],
       add_hosts=[{"name": "prod-1", "ansible_host": "10.9.9.1"}]),
    _s("this machine by its address", {"host": "localhost"}, "ping", host="h",
       add_hosts=[{"name": "h", "ansible_host": "127.0.0.1"}]),
    _s("a host with a local connection", {"host": "localhost"}, "shell", {"cmd": "touch {tmp}/made"}, host="here",
       made="made"),
    _s("an observation under a rule for both", X, "shell", {"cmd": "touch {tmp}/made"}, observes=True, made="made"),
    _s("an observation that writes", P, "lineinfile", {"path": "{tmp}/ssh/made", "line": "x", "create": True},
       observes=True, prepared=DIR, made=MADE),
    # By spelling.
    _path("copy", "copy", {"content": "x", "dest": "{tmp}/ssh/made"}),
    _path("template", "template", {"content": "x", "dest": "{tmp}/ssh/made"}),
    _path("two slashes", "copy", {"content": "x", "dest": "{tmp}//ssh//made"}),
    _path("a dot", "copy", {"content": "x", "dest": "{tmp}/./ssh/./made"}),
    _path("two dots", "copy", {"content": "x", "dest": "{tmp}/x/../ssh/made"}),
    _path("two dots of what does not exist", "copy", {"content": "x", "dest": "{tmp}/ssh/y/../made"}),
    _path("a link", "copy", {"content": "x", "dest": "{tmp}/link/made"}, prepared="mkdir ssh; ln -s ssh link"),
    _path("a link to the file", "copy", {"content": "x", "dest": "{tmp}/link"}, prepared="mkdir ssh; ln -s ssh/made link"),
    _path("a chain of links", "copy", {"content": "x", "dest": "{tmp}/a/made"},
          prepared="mkdir ssh; ln -s ssh b; ln -s b a"),
    _path("two dots after a link", "copy", {"content": "x", "dest": "{tmp}/link/../made"},
          prepared="mkdir -p ssh/sub; ln -s ssh/sub link"),
    _path("a link below a link", "file", {"path": "{tmp}/link/made", "state": "touch"},
          prepared="mkdir ssh; ln -s ssh link"),
    _path("the home directory as a tilde", "copy", {"content": "x", "dest": "~/../{tmp}/ssh/made"}, made=""),
    _path("a variable", "lineinfile", {"path": "$HOME/{tmp}/ssh/made", "line": "x", "create": True}, made=""),
    _path("blockinfile", "blockinfile", {"path": "{tmp}/ssh/made", "block": "x", "create": True}),
    _path("blockinfile by another name", "blockinfile", {"destfile": "{tmp}/ssh/made", "block": "x", "create": True}),
    _path("assemble", "assemble", {"src": "{tmp}/x", "dest": "{tmp}/ssh/made"}, prepared="mkdir ssh x; echo a > x/a"),
    _path("unarchive", "unarchive", {"src": "{tmp}/a.tar", "dest": "{tmp}/ssh", "remote_src": True},
          prepared="mkdir ssh; touch made; tar cf a.tar made; rm made"),
    _path("get_url", "get_url", {"url": "http://127.0.0.1:1/made", "dest": "{tmp}/ssh/made"}),
    _path("a directory as the destination", "copy", {"src": "{tmp}/made", "dest": "{tmp}/ssh"},
          prepared="mkdir ssh; echo x > made"),
    _path("a directory with a slash", "copy", {"src": "{tmp}/made", "dest": "{tmp}/ssh/"},
          prepared="mkdir ssh; echo x > made"),
    _path("redirection", "shell", {"cmd": "echo x >{tmp}/ssh/made"}),
    _path("a quoted path", "shell", {"cmd": "echo x > '{tmp}'/ssh/\"made\""}),
    _path("the directory of a command", "command", {"cmd": "touch made", "chdir": "{tmp}/ssh"}),
    _path("cd before the command", "shell", {"cmd": "cd {tmp}/ssh && touch made"}),
    _path("an option with a path", "shell", {"cmd": "dd if=/dev/null of={tmp}/ssh/made"}),
    _path("a command inside of a command", "shell", {"cmd": "sh -c 'touch {tmp}/ssh/made'"}),
    _path("a pattern of the shell", "shell", {"cmd": "touch {tmp}/s*h/made"}),
    _path("standard input of a shell", "command", {"cmd": "sh", "stdin": "touch {tmp}/ssh/made"}),
    _path("an environment variable", "shell", {"cmd": 'touch "$F"', "environment": {"F": "{tmp}/ssh/made"}}),
    _path("a removed parent", "file", {"path": "{tmp}/ssh", "state": "absent"}, made=""),
    _path("a recursive change", "file", {"path": "{tmp}", "state": "directory", "recurse": True, "mode": "0700"}, made=""),
    _s("standard input as a command", C, "command", {"cmd": "sh", "stdin": "touch {tmp}/made"}, made="made"),
    _s("environment as a command", C, "shell", {"cmd": "$X {tmp}/made", "environment": {"X": "touch"}}, made="made"),
    _s("executable", C, "command", {"cmd": "{tmp}/made", "executable": "/usr/bin/touch"}),
    _s("the directory of a command in its text", {"param.cmd": "*{tmp}/x*"}, "command",
       {"cmd": "touch made", "chdir": "{tmp}/x"}, prepared=DIR, made="x/made"),
    _s("expect", X, "expect", {"command": "touch {tmp}/made", "responses": {"a": "b"}}, made="made"),
    _s("validate of lineinfile", X, "lineinfile",
       {"path": "{tmp}/f", "line": "x", "create": True, "validate": "touch {tmp}/made %s"}, made="made"),
    _s("executable of git", X, "git", {"repo": "{tmp}/r", "dest": "{tmp}/d", "executable": "{tmp}/run"}),
    _s("extra_args of pip", X, "pip", {"name": "x", "extra_args": "--log {tmp}/made"}),
    _s("systemd_service", {"module": "systemd"}, "systemd_service", {"name": "cron"}),
    _s("systemd for systemd_service", {"module": "systemd_service"}, "ansible.builtin.systemd", {"name": "cron"}),
    _s("one package of two", N, "apt", {"name": ["htop", "nginx"]}),
    _s("a package with a blank", N, "apt", {"name": "nginx "}),
    _s("a mode as a number", {"param.mode": "0777"}, "file", {"path": "{tmp}/f", "mode": 511}),
    _s("a mode without zero", {"param.mode": "0777"}, "file", {"path": "{tmp}/f", "mode": "777"}),
)  # fmt: skip
"""Those that were tried on version 0.1, where 38 were not denied."""

FURTHER: tuple[Scenario, ...] = (
    # Names.
    _s("raw", X, "raw", {"cmd": "touch {tmp}/made"}, made="made"),
    _s("script", X, "script", {"cmd": "{tmp}/x"}),
    _s("cron", X, "cron", {"name": "x", "job": "touch {tmp}/made"}),
    _s("at", X, "at", {"command": "touch {tmp}/made"}),
    _s("at with its full name", X, "ansible.posix.at", {"command": "touch {tmp}/made"}),
    _s("command under a rule for raw", {"module": "raw"}, "command", {"cmd": "touch {tmp}/made"}, made="made"),
    _s("shell under a rule for cron", {"module": "cron"}, "shell", {"cmd": "touch {tmp}/made"}, made="made"),
    _s("executing in a container", X, "community.docker.docker_container_exec", {"command": "id"}),
    _s("extra_opts of unarchive", X, "unarchive", {"src": "a", "dest": "/x", "extra_opts": ["--to-command=id"]}),
    _s("ssh_opts of git", X, "git", {"repo": "r", "dest": "/x", "ssh_opts": "-o ProxyCommand=id"}),
    _s("mount_binary of mount_facts", X, "mount_facts", {"mount_binary": "/tmp/x"}),
    _s("dpkg_options of apt", X, "apt", {"name": "x", "dpkg_options": "pre-invoke=id"}),
    _s("the login shell of a user", X, "user", {"name": "x", "shell": "/tmp/x"}),
    _s("an option of rsync", X, "ansible.posix.synchronize", {"src": "a", "dest": "b", "rsync_opts": ["--rsh=id"]}),
    _s("the class of commands", {"class": "commands"}, "expect", {"command": "id"}),
    _s("the class of commands by a parameter", {"class": "commands"}, "copy",
       {"content": "x", "dest": "{tmp}/f", "validate": "touch {tmp}/made %s"}, made="made"),
    _s("the class of packages", {"class": "packages"}, "pip", {"name": "x"}),
    _s("the class of services", {"class": "services"}, "sysvinit", {"name": "x"}),
    _s("the class of users", {"class": "users"}, "group", {"name": "x"}),
    _s("the class of files", {"class": "files"}, "get_url", {"url": "http://127.0.0.1:1/made", "dest": "{tmp}/made"}),
    _s("the class of the network", {"class": "network"}, "get_url", {"url": "http://x", "dest": "/x"}),
    _s("the class of storage", {"class": "storage"}, "ansible.posix.mount", {"path": "/x"}),
    _s("the class of the cloud", {"class": "cloud"}, "amazon.aws.ec2_instance"),
    _s("a module that is not known", {"class": "other"}, "made.up.module"),
    _s("dnf5 for dnf", {"module": "dnf"}, "ansible.builtin.dnf5", {"name": "x"}),
    _s("yum for dnf", {"module": "yum"}, "dnf", {"name": "x"}),
    _s("the short name of a collection's module", {"module": "ufw"}, "community.general.ufw"),
    # Packages, services, users, numbers.
    _s("a package with a version", N, "apt", {"name": "nginx=1.2.3"}),
    _s("a package with an architecture", N, "apt", {"name": "nginx:amd64"}),
    _s("a package with a release", N, "dnf", {"name": "nginx-1.2-3.x86_64"}),
    _s("packages with commas", N, "apt", {"name": "htop ,nginx"}),
    _s("a package by its other name", N, "apt", {"pkg": ["nginx"]}),
    _s("a pattern of packages", N, "apt", {"name": "ngin*"}),
    _s("a file of a package", N, "apt", {"deb": "/tmp/nginx_1.2_amd64.deb"}),
    _s("a package of a suite", N, "apt", {"name": "nginx/stable"}),
    _s("a group of packages", {"param.name": "web-server"}, "dnf", {"name": "@web-server"}),
    _s("a requirement of pip", {"param.name": "requests"}, "pip", {"name": "Requests[socks]>=2,<3"}),
    _s("a package of Python with another separator", {"param.name": "foo.bar"}, "pip", {"name": "Foo_Bar"}),
    _s("a package under the general name", {"param.package": "nginx"}, "apt", {"name": "nginx"}),
    _s("a service with its suffix", {"param.name": "ssh"}, "systemd", {"name": "ssh.service"}),
    _s("a service without its suffix", {"param.service": "ssh.service"}, "service", {"name": "ssh"}),
    _s("a service by its other name", {"param.name": "ssh"}, "systemd", {"unit": "ssh"}),
    _s("root by its number", {"param.owner": "root"}, "file", {"path": "{tmp}/f", "owner": "0"}),
    _s("a mode by letters", {"param.mode": "0777"}, "file", {"path": "{tmp}/f", "mode": "u=rwx,g=rwx,o=rwx"}),
    _s("a mode for all", {"param.mode": "0777"}, "file", {"path": "{tmp}/f", "mode": "a=rwx"}),
    _s("root by more digits", {"param.owner": "root"}, "file", {"path": "{tmp}/f", "owner": "00"}),
    _s("a user id with a sign", {"param.uid": "0"}, "user", {"name": "x", "uid": "+0"}),
    _s("a mode that is copied", {"param.mode": "0777"}, "file", {"path": "{tmp}/f", "mode": "u=rwx,go=u"}),
    _s("a mode of a file of its type", {"param.mode": "0777"}, "file", {"path": "{tmp}/f", "mode": "0100777"}),
    _s("a mode that is added", {"param.mode": "*7"}, "file", {"path": "{tmp}/f", "mode": "o+rwx"}),
    _s("a mode of four digits under a short rule", {"param.mode": "777"}, "file", {"path": "{tmp}/f", "mode": "0777"}),
    _s("yes for true", {"param.force": "true"}, "copy", {"dest": "/x", "force": "yes"}),
    _s("one for true", {"param.force": "true"}, "copy", {"dest": "/x", "force": 1}),
    _s("a number as text", {"param.port": "22"}, "wait_for", {"port": "22"}),
    # Paths.
    _s("a slash at the end of the path", {"param.path": "{tmp}/f"}, "file", {"path": "{tmp}/f/", "state": "directory"},
       made="f"),
    _s("a slash at the end of the rule", {"param.path": "{tmp}/f/"}, "file", {"path": "{tmp}/f", "state": "directory"},
       made="f"),
    _s("two slashes at the beginning", P, "copy", {"content": "x", "dest": "/{tmp}/ssh/made"}, prepared=DIR, made=MADE),
    _s("two slashes in the rule", {"param.path": "{tmp}//ssh/./*"}, "copy", {"content": "x", "dest": "{tmp}/ssh/made"},
       prepared=DIR, made=MADE),
    _s("dest in the rule", {"param.dest": "{tmp}/ssh/*"}, "file", {"path": "{tmp}/ssh/made", "state": "touch"},
       prepared=DIR, made=MADE),
    _s("name of file", P, "file", {"name": "{tmp}/ssh/made", "state": "touch"}, prepared=DIR, made=MADE),
    _s("replace", P, "replace", {"path": "{tmp}/ssh/made", "regexp": "a", "replace": "b"}, prepared=DIR),
    _s("git", P, "git", {"repo": "r", "dest": "{tmp}/ssh/r"}, prepared=DIR),
    _s("the archive of git", P, "git", {"repo": "r", "dest": "{tmp}/r", "archive": "{tmp}/ssh/a.tar"}, prepared=DIR),
    _s("a hard link to a file", P, "file", {"src": "{tmp}/ssh/a", "path": "{tmp}/b", "state": "hard"}, prepared=DIR),
    _s("a temporary destination", P, "get_url", {"url": "http://x", "dest": "{tmp}/x", "tmp_dest": "{tmp}/ssh/t"}),
    _s("a home directory", P, "user", {"name": "x", "home": "{tmp}/ssh/x"}),
    _s("keys of another user", P, "ansible.posix.authorized_key", {"user": "x", "key": "k", "path": "{tmp}/ssh/x"}),
    _s("a mount over the directory", P, "ansible.posix.mount", {"path": "{tmp}", "src": "/dev/x", "state": "mounted"}),
    _s("a file of cron", {"param.path": "/etc/cron.d/*"}, "cron", {"name": "x", "cron_file": "y", "job": "id"}),
    _s("a list of apt", {"param.path": "/etc/apt/*"}, "apt_repository", {"repo": "deb x", "filename": "y"}),
    _s("a path of a module that is not known", P, "made.up.module", {"whatever": ["{tmp}/ssh/made"]}),
    _s("tee", P, "shell", {"cmd": "echo x | tee {tmp}/ssh/made"}, prepared=DIR, made=MADE),
    _s("install", P, "command", {"argv": ["install", "-m644", "/dev/null", "{tmp}/ssh/made"]}, prepared=DIR, made=MADE),
    _s("a link in a command", P, "shell", {"cmd": "touch {tmp}/link/made"}, prepared="mkdir ssh; ln -s ssh link",
       made=MADE),
    _s("two dots in a command", P, "shell", {"cmd": "touch {tmp}/x/../ssh/made"}, prepared=DIR, made=MADE),
    _s("a parent in a command", P, "shell", {"cmd": "rm -rf {tmp}/ssh"}, prepared=DIR),
    _s("tar with a directory", P, "shell", {"cmd": "tar -C {tmp}/ssh -xf {tmp}/a.tar"},
       prepared="mkdir ssh; touch made; tar cf a.tar made; rm made", made=MADE),
    _s("braces of the shell", P, "shell", {"cmd": "touch {tmp}/{{ssh,x}}/made"}, prepared=DIR, made=""),
    _s("a path after a colon", P, "shell", {"cmd": "scp x host:{tmp}/ssh/made"}),
    _s("a program by its path", {"param.cmd": "touch *"}, "command", {"cmd": "/usr/bin/touch {tmp}/made"}, made="made"),
    _s("the second of two commands", {"param.cmd": "touch *"}, "shell", {"cmd": "true; touch {tmp}/made"}, made="made"),
    _s("a command after a pipe", {"param.cmd": "touch *"}, "shell", {"cmd": "true | touch {tmp}/made"}, made="made"),
    _s("quotes inside of a word", {"param.cmd": "touch *"}, "shell", {"cmd": "to''uch {tmp}/made"}, made="made"),
    _s("several blanks", {"param.cmd": "touch -a *"}, "shell", {"cmd": "touch   -a  {tmp}/made"}, made="made"),
    _path("a continued line in a path", "shell", {"cmd": "touch {tmp}/s\\\nsh/made"}),
    _path("a continued line in a command inside of a command", "shell", {"cmd": "sh -c 'touch {tmp}/s\\\nsh/made'"}),
    _path("quotes with a dollar sign", "shell", {"cmd": "touch $'{tmp}/ssh/made'", "executable": "/bin/bash"}),
    _path("quotes for a translation", "shell", {"cmd": 'touch $"{tmp}/ssh/made"', "executable": "/bin/bash"}),
    _path("escapes in quotes with a dollar sign", "shell",
          {"cmd": r"touch {tmp}/$'\x73\163\u0068'/made", "executable": "/bin/bash"}),
    _path("a pattern in the first part of a path", "shell", {"cmd": "touch /[!/]*{tmp}/ssh/made"}, made=""),
    _s("a continued line in a command", {"param.cmd": "touch *"}, "shell", {"cmd": "to\\\nuch {tmp}/made"}, made="made"),
    _s("a command in quotes with a dollar sign", {"param.cmd": "touch *"}, "shell",
       {"cmd": r"$'to\165ch' {tmp}/made", "executable": "/bin/bash"}, made="made"),
    _s("a command after a decimal", {"param.cmd": "touch *"}, "shell", {"cmd": "timeout 9.5 touch {tmp}/made"}, made="made"),
    _s("a command after a lock", {"param.cmd": "touch *"}, "shell", {"cmd": "flock {tmp}/x touch {tmp}/made"}, made="made"),
    _s("a command of a shell", {"param.cmd": "touch *"}, "shell", {"cmd": "sh -c 'touch {tmp}/made; true'"}, made="made"),
    # Paths that no parameter is.
    _s("the keys of a user", {"param.path": "/home/no-such-user/.ssh/*"}, "authorized_key", {"user": "no-such-user", "key": "k"}),
    _s("the keys of root", {"param.path": f"{HOME_OF_ROOT}/.ssh/*"}, "authorized_key", {"user": "root", "key": "k"}),
    _s("a prefix from the root", P, "tempfile", {"prefix": "{tmp}/ssh/x"}, prepared=DIR),
    _s("a table of cron", {"param.path": "/var/spool/cron/*"}, "cron", {"name": "x", "job": "id"}),
    _s("a virtual environment below the working directory", P, "pip", {"name": "x", "chdir": "{tmp}", "virtualenv": "ssh"}),
    _s("the accounts", {"param.path": "/etc/passwd"}, "user", {"name": "x"}),
    _s("a source of packages", {"param.path": "/etc/apt/sources.list.d/x.list"}, "apt_repository", {"repo": "deb x"}),
    # Hosts.
    _s("another port of a denied address", {"host": "prod-*"}, "ping", host="h",
       add_hosts=[{"name": "h", "ansible_host": "10.9.9.1", "ansible_port": 2022}]),
    _s("a mapped address", {"host": "prod-*"}, "ping", host="h",
       add_hosts=[{"name": "h", "ansible_host": "::ffff:10.9.9.1"}]),
    _s("a hexadecimal address", {"host": "prod-*"}, "ping", host="h",
       add_hosts=[{"name": "h", "ansible_host": "0x0a090901"}]),
    _s("an octal address", {"host": "prod-*"}, "ping", host="h",
       add_hosts=[{"name": "h", "ansible_host": "012.011.011.01"}]),
    _s("a short address", {"host": "prod-*"}, "ping", host="h", add_hosts=[{"name": "h", "ansible_host": "10.9.2305"}]),
    _s("the name of a denied host as an address", {"host": "prod-*"}, "ping", host="h",
       add_hosts=[{"name": "h", "ansible_host": "PROD-1."}]),
    _s("a denied host in capitals", {"host": "prod-*"}, "ping", host="PROD-1", add_hosts=[{"name": "PROD-1"}]),
    _s("the group of an address", {"host": "prod"}, "ping", host="h",
       add_hosts=[{"name": "h", "ansible_host": "10.9.9.2"}]),
    _s("a rule about an address", {"host": "10.9.9.1"}, "ping", host="prod-1"),
    _s("another loopback address", {"host": "localhost"}, "ping", host="h",
       add_hosts=[{"name": "h", "ansible_host": "127.8.8.8"}]),
    _s("a short loopback address", {"host": "localhost"}, "ping", host="h",
       add_hosts=[{"name": "h", "ansible_host": "127.1"}]),
    _s("the loopback address of IPv6", {"host": "localhost"}, "ping", host="h",
       add_hosts=[{"name": "h", "ansible_host": "::1"}]),
    _s("no address", {"host": "local"}, "ping", host="h", add_hosts=[{"name": "h", "ansible_host": "0.0.0.0"}]),
    _s("this machine as a name below localhost", {"host": "localhost"}, "ping", host="h",
       add_hosts=[{"name": "h", "ansible_host": "x.localhost"}]),
    _s("a host with the name of a group", {"host": "prod"}, "ping", host="prod",
       add_hosts=[{"name": "prod", "ansible_host": "10.9.9.3"}]),
    _s("a path that a shell computes", P, "shell", {"cmd": "d={tmp}; touch $d/s''sh/made"}),
    # What is documented as not covered.
    _s("a program that computes", C, "command", {"cmd": "python3 -c 'open(\"{tmp}/made\", \"w\")'"},
       limit="What cannot be known"),
    _s("a name of the DNS", {"host": "prod-*"}, "ping", host="h",
       add_hosts=[{"name": "h", "ansible_host": "db.example.com"}], limit="What cannot be known"),
    _s("a package that depends on another one", N, "apt", {"name": "nginx-full"}, limit="What cannot be known"),
)  # fmt: skip

SCENARIOS = KNOWN + FURTHER
