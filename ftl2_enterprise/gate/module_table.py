"""The table of modules: their names, what their parameters mean, and how they can observe. Data only.

Policy, the fences of observations, the catalogue and the reference read it. A module that is not in it is not known
to be harmless: it is of the class `other` and never an observation.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ModuleClass(StrEnum):
    """What a module is about; rules of a policy can name it."""

    COMMANDS = "commands"
    PACKAGES = "packages"
    SERVICES = "services"
    USERS = "users"
    FILES = "files"
    NETWORK = "network"
    STORAGE = "storage"
    CLOUD = "cloud"
    OTHER = "other"
    """Modules of none of these, and those that the table does not have."""


class Observing(StrEnum):
    """How a module can be used as an observation."""

    READING = "reading"
    """It only reads."""
    CHECKABLE = "checkable"
    """Its check mode changes nothing."""
    COMMANDS = "commands"
    """It executes a command, which has to run in the sandbox."""
    OTHER = "other"
    """Not at all."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """A path that a module writes and that no parameter is: it is made of parameters, or a default."""

    path: str
    """`{name}` is the value of a parameter, `{name|other}` that of the first one that is given, and `{name=x}` has a
    default. If the last part is `*`, the module chooses the name. The directory `~` is the home of the user."""
    given: tuple[str, ...] = ()
    """Written only with one of these parameters."""
    without: tuple[str, ...] = ()
    """Written only without all of these parameters."""


@dataclass(frozen=True, kw_only=True)
class Module:
    """One module. Parameters are named in every spelling that the module accepts."""

    name: str
    kind: ModuleClass
    observing: Observing = Observing.OTHER
    names: tuple[str, ...] = ()
    """Its other names, without those in `ansible.builtin` and `ansible.legacy`."""
    also: tuple[ModuleClass, ...] = ()
    """Further classes."""
    writes: tuple[str, ...] = ()
    """Paths that it writes or removes."""
    files_of: str = ""
    """If a path that it writes is a directory, it writes the file in it that is named as this parameter's value."""
    names_files: tuple[Written, ...] = ()
    """Paths that it makes of parameters."""
    default_writes: tuple[Written, ...] = ()
    """Paths that it writes although the call does not name them; rules that allow are not about them."""
    trees: tuple[str, ...] = ()
    """When it may change everything below what it writes: a parameter that is given, a `state`, or "" for always."""
    reads: tuple[str, ...] = ()
    """Paths that it reads only."""
    read_trees: tuple[str, ...] = ()
    """Directories among them whose files it reads."""
    commands: tuple[str, ...] = ()
    """Command lines that it executes, or schedules for execution."""
    programs: tuple[str, ...] = ()
    """Programs, or options of programs, that it executes beyond its purpose."""
    base: str = ""
    """The directory that relative paths in its commands start from."""
    packages: tuple[str, ...] = ()
    names_are_normalized: bool = False
    """Whether capitals and runs of `-`, `_` and `.` make no difference in names of its packages, as in PEP 503."""
    services: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    synonyms: tuple[tuple[str, ...], ...] = ()
    """Further groups of names for one parameter."""
    lists: tuple[str, ...] = ()
    """Parameters that are lists; a text with commas is one, too."""
    whole: tuple[str, ...] = ()
    """Paths of files that it reads from the beginning to the end when it observes."""
    widening: tuple[str, ...] = ()
    """Parameters with one of which it does more than a rule allows that names only other parameters."""
    switches: tuple[str, ...] = ()
    """Booleans among the parameters above and below that matter only when they are true."""
    words: tuple[str, ...] = ()
    """Further parameters that a program receives as an argument, as it does names of services and packages."""
    arguments: tuple[str, ...] = ()
    """Parameters that a program receives where it also takes options, besides names of packages and users."""
    split: tuple[str, ...] = ()
    """Parameters that are split into words again, without quotes, besides names of packages: each is one word."""
    options_among: tuple[str, ...] = ()
    """Parameters of which each word is an argument, and could be an option."""
    plain: tuple[str, ...] = ()
    """Parameters that are one field of a line, with only the signs of names, numbers and times."""
    one_line: tuple[str, ...] = ()
    """Parameters in a line that a program reads, besides names of users: a line break would begin another line."""
    line_ends: tuple[str, ...] = ()
    """Such parameters at the end of the line, which may have line breaks at their end and tabs; `*` for each."""
    quoted: tuple[str, ...] = ()
    """Parameters that are put into quotes."""
    ini_names: tuple[str, ...] = ()
    """Parameters that are the name of a section or an option of an INI file."""
    variables: tuple[str, ...] = ()
    """Parameters that name a variable if the parameter `env` is given."""
    elements: tuple[str, ...] = ()
    """Lists whose elements a program separates at commas again."""
    libraries: tuple[str, ...] = ()
    """Parameters of which a program makes the name of a library that it loads."""
    in_shell: tuple[str, ...] = ()
    """Parameters in a text that a shell reads, without quotes; `*` for each."""
    volatile: tuple[str, ...] = ()
    """Fields of what it reports, at any depth, that change although nothing was done: an approval does not depend on
    them."""
    not_observing: tuple[str, ...] = ()
    """Parameters with which it cannot observe: they write, or execute a program of the caller's choice."""

    @property
    def classes(self) -> tuple[ModuleClass, ...]:
        """All its classes."""
        return (self.kind, *self.also)

    @property
    def parameters(self) -> frozenset[str]:
        """Every parameter that means something here."""
        groups = (
            self.writes, self.reads, self.commands, self.programs, self.packages, self.services, self.users,
            self.urls, self.lists, self.whole, self.widening, self.switches, self.words, self.arguments, self.split,
            self.not_observing, (self.base, self.files_of), *self.synonyms,
        )  # fmt: skip
        return frozenset(name for group in groups for name in group if name)


_C, _O = ModuleClass, Observing


def _w(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _made(*paths: str, given: str = "", without: str = "") -> tuple[Written, ...]:
    return tuple(Written(path=path, given=_w(given), without=_w(without)) for path in paths)


_CRON_FILES = _made("/etc/cron.d/{cron_file}")
_CRONTABS = (
    *_made("/var/spool/cron/{user}", "/var/spool/cron/crontabs/{user}", without="cron_file"),
    *_made("/var/spool/cron/*", without="cron_file user"),
)
_ACCOUNTS = _made("/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow")

_COMMAND = _w("cmd _raw_params free_form argv")
_PATH = _w("path dest destfile name")

_COMMANDS = (
    Module(
        name="command", kind=_C.COMMANDS, observing=_O.COMMANDS, commands=_COMMAND, base="chdir",
        programs=_w("executable"), reads=_w("chdir creates removes"), lists=_w("argv"),
    ),
    Module(
        name="shell", kind=_C.COMMANDS, observing=_O.COMMANDS, commands=_COMMAND, base="chdir",
        programs=_w("executable"), reads=_w("chdir creates removes"), lists=_w("argv"),
    ),
    Module(name="raw", kind=_C.COMMANDS, commands=_COMMAND, programs=_w("executable")),
    Module(
        name="script", kind=_C.COMMANDS, commands=_COMMAND, base="chdir", programs=_w("executable"),
        reads=_w("chdir creates removes"),
    ),
    Module(
        name="expect", kind=_C.COMMANDS, commands=_w("command cmd _raw_params free_form"), base="chdir",
        reads=_w("chdir creates removes"),
    ),
    Module(
        name="cron",
        names_files=_CRON_FILES,
        default_writes=_CRONTABS,
        kind=_C.COMMANDS, observing=_O.CHECKABLE, commands=_w("job value"), writes=_w("cron_file"),
        whole=_w("cron_file"),
        users=_w("user"), synonyms=(_w("day dom"), _w("weekday dow")),
        plain=_w("minute hour day dom month weekday dow special_time user"), line_ends=_w("job value"),
        one_line=_w("name insertafter insertbefore"), variables=_w("name insertafter insertbefore"),
    ),
    Module(name="community.general.cronvar",
           names_files=_CRON_FILES,
           default_writes=_CRONTABS,
           kind=_C.COMMANDS, names=_w("cronvar"), writes=_w("cron_file"),
           users=_w("user"), plain=_w("name user insertafter insertbefore"), line_ends=_w("value")),
    Module(name="ansible.posix.at",
           default_writes=_made("/var/spool/at/*", "/var/spool/cron/atjobs/*"),
           kind=_C.COMMANDS, names=_w("at"), commands=_w("command"),
           reads=_w("script_file")),
    Module(name="reboot", kind=_C.COMMANDS, commands=_w("reboot_command test_command boot_time_command"),
           lists=_w("search_paths")),
    Module(name="community.general.make", trees=("",), kind=_C.COMMANDS, names=_w("make"), base="chdir",
           arguments=_w("target targets"),
           writes=_w("chdir"), programs=_w("make"), commands=_w("target targets"), reads=_w("file")),
    Module(name="community.docker.docker_container_exec", kind=_C.COMMANDS, commands=_w("command argv"), base="chdir",
           users=_w("user"), lists=_w("argv")),
    Module(name="kubernetes.core.k8s_exec", kind=_C.COMMANDS, also=(_C.CLOUD,), commands=_w("command")),
)  # fmt: skip

_FILES = (
    Module(
        name="file", kind=_C.FILES, observing=_O.CHECKABLE, writes=_w("path dest name"), reads=_w("src"),
        trees=_w("absent recurse"), widening=_w("src"), switches=_w("recurse"),
    ),
    Module(
        name="copy", kind=_C.FILES, observing=_O.CHECKABLE, writes=_w("dest"), files_of="src", reads=_w("src"),
        programs=_w("validate"), not_observing=_w("validate"),
    ),
    Module(
        name="template", kind=_C.FILES, observing=_O.CHECKABLE, writes=_w("dest"), files_of="src", reads=_w("src"),
        programs=_w("validate"), not_observing=_w("validate"), synonyms=(_w("variables vars"),),
    ),
    Module(
        name="lineinfile", kind=_C.FILES, observing=_O.CHECKABLE, writes=_PATH, programs=_w("validate"),
        synonyms=(_w("regexp regex"), _w("line value")), whole=_PATH, not_observing=_w("validate"),
    ),
    Module(
        name="blockinfile", kind=_C.FILES, observing=_O.CHECKABLE, writes=_PATH, programs=_w("validate"),
        synonyms=(_w("block content"),), whole=_PATH, not_observing=_w("validate"),
    ),
    Module(
        name="replace", kind=_C.FILES, observing=_O.CHECKABLE, writes=_PATH, programs=_w("validate"),
        whole=_PATH, not_observing=_w("validate"),
    ),
    Module(
        name="assemble", kind=_C.FILES, observing=_O.CHECKABLE, writes=_w("dest"), reads=_w("src"),
        read_trees=_w("src"), whole=_w("dest"), programs=_w("validate"), not_observing=_w("validate"),
    ),
    Module(
        name="unarchive", trees=("",), kind=_C.FILES, also=(_C.NETWORK,), writes=_w("dest"), reads=_w("src creates"),
        programs=_w("extra_opts"), lists=_w("exclude extra_opts include"), urls=_w("src"),
        arguments=_w("src dest include exclude"),
    ),
    Module(name="tempfile",
           names_files=_made("{path=/tmp}/{prefix=ansible.}x{suffix=}"),
           trees=("",), kind=_C.FILES, writes=_w("path")),
    Module(name="fetch", kind=_C.FILES, reads=_w("src"), writes=_w("dest")),
    Module(
        name="get_url", kind=_C.FILES, also=(_C.NETWORK,), writes=_w("dest tmp_dest"), files_of="url",
        reads=_w("client_cert client_key"), urls=_w("url"),
        synonyms=(_w("url_username username"), _w("url_password password")),
        lists=_w("ciphers unredirected_headers"),
    ),
    Module(
        name="git", trees=("",), kind=_C.FILES, also=(_C.NETWORK,),
        writes=_w("dest archive separate_git_dir"), reads=_w("key_file reference"),
        programs=_w("executable ssh_opts"), urls=_w("repo name"), lists=_w("gpg_allowlist"),
        arguments=_w("dest reference archive archive_prefix separate_git_dir"),
        split=_w("repo name remote refspec version"), in_shell=_w("key_file"),
    ),
    Module(
        name="subversion", trees=("",), kind=_C.FILES, also=(_C.NETWORK,), writes=_w("dest"),
        programs=_w("executable"),
        urls=_w("repo name repository"), synonyms=(_w("revision rev version"),),
        arguments=_w("repo name repository dest revision rev version"),
    ),
    Module(name="find", trees=("",), kind=_C.FILES, observing=_O.READING, reads=_w("paths path name"),
           lists=_w("paths path name patterns pattern excludes exclude"),
           synonyms=(_w("patterns pattern"), _w("excludes exclude"))),
    # `file` receives the path, and with `-C` it writes.
    Module(name="stat", kind=_C.FILES, observing=_O.READING, reads=_w("path dest name"),
           arguments=_w("path dest name"),
           synonyms=(_w("get_mime mime mime_type mime-type"), _w("get_attributes attr attributes"))),
    Module(name="slurp", kind=_C.FILES, observing=_O.READING, reads=_w("src path"), whole=_w("src path")),
    Module(name="resolve_paths", kind=_C.FILES, observing=_O.READING, lists=_w("paths")),
    Module(name="community.general.ini_file", kind=_C.FILES, names=_w("ini_file"), writes=_w("path dest"),
           ini_names=_w("section option"), line_ends=_w("value values section_has_values")),
    Module(name="community.general.xml", kind=_C.FILES, names=_w("xml"), writes=_w("path dest file")),
    Module(name="community.general.archive", kind=_C.FILES, names=_w("archive"), writes=_w("dest"), reads=_w("path")),
    Module(name="community.general.ssh_config",
           default_writes=(
               *_made("~{user}/.ssh/config", without="ssh_config_file"),
               *_made("/etc/ssh/ssh_config", without="ssh_config_file user"),
           ),
           kind=_C.FILES, names=_w("ssh_config"), writes=_w("ssh_config_file"),
           users=_w("user"), programs=_w("proxycommand"), line_ends=_w("*")),
    Module(name="ansible.posix.acl", kind=_C.FILES, names=_w("acl"), writes=_w("path name"),
           arguments=_w("path name"), trees=_w("recursive"), switches=_w("recursive")),
    Module(name="ansible.posix.synchronize", trees=("",), kind=_C.COMMANDS, also=(_C.FILES, _C.NETWORK),
           names=_w("synchronize"),
           writes=_w("dest"), reads=_w("src"), programs=_w("rsync_opts rsync_path"), lists=_w("rsync_opts"),
           arguments=_w("src dest")),
)  # fmt: skip

_DNF_LISTS = "name pkg enablerepo disablerepo exclude enable_plugin disable_plugin"
_PACKAGES = (
    Module(
        name="apt", kind=_C.PACKAGES, observing=_O.CHECKABLE, packages=_w("name package pkg deb"), reads=_w("deb"),
        programs=_w("dpkg_options"), lists=_w("name package pkg"), split=_w("default_release default-release"),
        widening=_w(
            "upgrade autoremove purge force default_release default-release allow_unauthenticated"
            " allow-unauthenticated allow_change_held_packages"
        ),
        switches=_w(
            "autoremove purge force allow_unauthenticated allow-unauthenticated allow_change_held_packages"
            " autoclean clean"
        ),
        # In check mode, too, it cleans the cache, downloads a package, writes policy-rc.d, and takes options.
        not_observing=_w("autoclean clean deb default_release default-release dpkg_options policy_rc_d"),
        synonyms=(
            _w("update_cache update-cache"), _w("default_release default-release"),
            _w("install_recommends install-recommends"), _w("allow_unauthenticated allow-unauthenticated"),
            _w("allow_downgrade allow-downgrade allow_downgrades allow-downgrades"),
        ),
    ),
    Module(
        name="dnf", trees=("",), names=_w("dnf5 yum"), kind=_C.PACKAGES, in_shell=_w("*"),
        packages=_w("name pkg"), reads=_w("conf_file"), writes=_w("installroot download_dir"),
        lists=_w(_DNF_LISTS), synonyms=(_w("update_cache expire-cache"),),
        widening=_w(
            "autoremove allowerasing conf_file disable_gpg_check disable_excludes download_dir enablerepo"
            " enable_plugin installroot releasever validate_certs sslverify"
        ),
        switches=_w("autoremove allowerasing disable_gpg_check"),
    ),
    Module(name="package", kind=_C.PACKAGES, packages=_w("name"), lists=_w("name"), widening=_w("use")),
    Module(
        # In check mode, too, it executes `python -m pip`, which imports a package `pip` from the working directory.
        name="pip",
        names_files=_made("{chdir}/{virtualenv}"),
        trees=("",), kind=_C.PACKAGES, packages=_w("name"), names_are_normalized=True,
        reads=_w("requirements"), writes=_w("virtualenv"), base="chdir", lists=_w("name"),
        options_among=_w("name"), arguments=_w("virtualenv"),
        widening=_w("requirements editable virtualenv"), switches=_w("editable"),
        programs=_w("extra_args executable virtualenv_command virtualenv_python"),
    ),
    Module(name="apt_key",
           default_writes=_made("/etc/apt/*", without="keyring"),
           kind=_C.PACKAGES, writes=_w("keyring"), reads=_w("file"), urls=_w("url keyserver"),
           split=_w("keyserver id keyring file")),
    Module(name="apt_repository",
           names_files=_made("/etc/apt/sources.list.d/{filename}.list"),
           default_writes=(
               *_made("/etc/apt/sources.list"),
               *_made("/etc/apt/sources.list.d/*", without="filename"),
           ),
           kind=_C.PACKAGES, observing=_O.CHECKABLE, urls=_w("repo"), writes=_w("filename"),
           plain=_w("codename"), line_ends=_w("repo"), synonyms=(_w("update_cache update-cache"),)),
    Module(name="deb822_repository",
           names_files=_made("/etc/apt/sources.list.d/{name}.sources"),
           default_writes=(
               *_made("/etc/apt/sources.list.d/*"),
               *_made("/etc/apt/keyrings/*", given="signed_by"),
           ),
           kind=_C.PACKAGES, observing=_O.CHECKABLE, urls=_w("uris"), lists=_w(
        "architectures components exclude include languages suites targets types uris"),
        split=_w("architectures components exclude include languages suites targets types uris"),
        one_line=_w("name inrelease_path"),
        not_observing=_w("signed_by install_python_debian"), switches=_w("install_python_debian")),
    Module(name="yum_repository",
           names_files=_made("{reposdir=/etc/yum.repos.d}/{file|name}.repo"),
           kind=_C.PACKAGES, observing=_O.CHECKABLE, urls=_w("baseurl metalink mirrorlist"),
           writes=_w("reposdir"), synonyms=(
               _w("exclude excludepkgs"), _w("sslcacert ca_cert"), _w("sslclientcert client_cert"),
               _w("sslclientkey client_key"), _w("sslverify validate_certs")),
           lists=_w("baseurl exclude excludepkgs gpgkey includepkgs"),
           plain=_w("name"), line_ends=_w("*"), split=_w("baseurl metalink mirrorlist gpgkey"),
           elements=_w("baseurl gpgkey")),
    Module(name="rpm_key", kind=_C.PACKAGES, urls=_w("key"), lists=_w("fingerprint"), arguments=_w("key")),
    Module(name="debconf", kind=_C.PACKAGES, observing=_O.CHECKABLE, packages=_w("name pkg"),
           synonyms=(_w("question selection setting"), _w("value answer")),
           plain=_w("question selection setting vtype"), line_ends=_w("value answer")),
    Module(name="dpkg_selections", kind=_C.PACKAGES, observing=_O.CHECKABLE, packages=_w("name")),
    Module(name="package_facts", kind=_C.PACKAGES, observing=_O.READING, lists=_w("manager")),
    Module(name="community.general.snap", kind=_C.PACKAGES, names=_w("snap"), packages=_w("name"), lists=_w("name")),
    Module(name="community.general.npm", kind=_C.PACKAGES, names=_w("npm"), packages=_w("name"), writes=_w("path"),
           programs=_w("executable")),
    Module(name="community.general.gem", kind=_C.PACKAGES, names=_w("gem"), packages=_w("name"),
           programs=_w("executable")),
    Module(name="community.general.zypper", kind=_C.PACKAGES, names=_w("zypper"), packages=_w("name pkg"),
           lists=_w("name pkg")),
    Module(name="community.general.pacman", kind=_C.PACKAGES, names=_w("pacman"), packages=_w("name package pkg"),
           programs=_w("executable extra_args"), lists=_w("name package pkg")),
    Module(name="community.general.apk", kind=_C.PACKAGES, names=_w("apk"), packages=_w("name"), lists=_w("name")),
    Module(name="community.general.homebrew", kind=_C.PACKAGES, names=_w("homebrew"), packages=_w(
        "name formula package pkg"), lists=_w("name formula package pkg")),
)  # fmt: skip

_SERVICES = (
    Module(
        name="service", kind=_C.SERVICES, observing=_O.CHECKABLE, services=_w("name"),
        programs=_w("arguments args"), synonyms=(_w("arguments args"),),
        not_observing=_w("arguments args pattern runlevel"), split=_w("runlevel"),
    ),
    Module(
        name="systemd", names=_w("systemd_service"), kind=_C.SERVICES, observing=_O.CHECKABLE,
        services=_w("name service unit"),
        synonyms=(_w("daemon_reload daemon-reload"), _w("daemon_reexec daemon-reexec")),
    ),
    Module(
        name="sysvinit", kind=_C.SERVICES, services=_w("name service"), programs=_w("arguments args"),
        synonyms=(_w("arguments args"),), lists=_w("runlevels"), split=_w("runlevels"),
    ),
    Module(name="service_facts", kind=_C.SERVICES, observing=_O.READING),
    Module(name="community.general.supervisorctl", kind=_C.SERVICES, names=_w("supervisorctl"), services=_w("name")),
)  # fmt: skip

_USERS = (
    Module(
        name="user",
        names_files=_made("~{name|user}/{ssh_key_file}", "{home}/{ssh_key_file}"),
        default_writes=(
            *_ACCOUNTS,
            *_made("/etc/subuid", "/etc/subgid"),
            *_made("~{name|user}/.ssh/*", given="generate_ssh_key"),
            *_made("~{name|user}/*", given="remove move_home"),
        ),
        trees=("",), kind=_C.USERS, observing=_O.CHECKABLE, users=_w("name user"),
        writes=_w("home ssh_key_file"),
        programs=_w("shell"), reads=_w("skeleton"), lists=_w("groups"), synonyms=(_w("create_home createhome"),),
        widening=_w("groups group uid home move_home skeleton ssh_key_file authorization role remove"),
        switches=_w("generate_ssh_key move_home remove"),
        # `chpasswd` reads lines with names and passwords.
        one_line=_w("password comment home shell group groups"),
    ),
    Module(name="group",
           default_writes=_made("/etc/group", "/etc/gshadow"),
           kind=_C.USERS, observing=_O.CHECKABLE, users=_w("name")),
    # glibc loads the library that is named for the service, from the working directory if the name has a slash.
    Module(name="getent", kind=_C.USERS, observing=_O.READING, words=_w("database key"),
           not_observing=_w("service"), libraries=_w("database service"), split=_w("key")),
    Module(name="ansible.posix.authorized_key",
           default_writes=_made("~{user}/.ssh/authorized_keys", without="path"),
           kind=_C.USERS, names=_w("authorized_key"), users=_w("user"),
           writes=_w("path"), urls=_w("key"), one_line=_w("key_options comment")),
    Module(name="community.general.sudoers",
           names_files=_made("{sudoers_path=/etc/sudoers.d}/{name}"),
           kind=_C.USERS, names=_w("sudoers"), users=_w("user"),
           commands=_w("commands"), lists=_w("commands"), elements=_w("commands"), one_line=_w("commands"),
           plain=_w("user group host runas")),
)  # fmt: skip

_NETWORK = (
    Module(
        name="uri", kind=_C.NETWORK, also=(_C.FILES,), observing=_O.READING, writes=_w("dest"), urls=_w("url"),
        reads=_w("src creates removes client_cert client_key ca_path unix_socket"), files_of="url",
        synonyms=(_w("url_username user"), _w("url_password password")), whole=_w("client_cert client_key"),
        lists=_w("status_code ciphers unredirected_headers"),
        not_observing=_w("body dest src unix_socket creates removes"),
    ),
    # The values of `wait` and `fragment` are arguments for iptables, which could be `--modprobe=PROGRAM`.
    Module(name="iptables", kind=_C.NETWORK, observing=_O.CHECKABLE,
           lists=_w("match destination_ports ctstate"), not_observing=_w("wait"),
           arguments=_w("chain rule_num wait table match policy fragment tcp_flags"),
           libraries=_w("match jump protocol")),
    Module(name="hostname",
           default_writes=_made("/etc/hostname", "/etc/hosts", "/etc/machine-info"),
           kind=_C.NETWORK, observing=_O.CHECKABLE, plain=_w("name")),
    Module(name="known_hosts",
           default_writes=_made("~/.ssh/known_hosts", without="path"),
           kind=_C.NETWORK, also=(_C.FILES,), observing=_O.CHECKABLE, writes=_w("path"),
           whole=_w("path"), synonyms=(_w("name host"),), one_line=_w("name host"), line_ends=_w("key")),
    Module(name="wait_for", kind=_C.NETWORK, observing=_O.READING, reads=_w("path"), whole=_w("path"),
           lists=_w("active_connection_states exclude_hosts")),
    Module(name="wait_for_connection", kind=_C.NETWORK, observing=_O.READING),
    Module(name="ping", kind=_C.NETWORK, observing=_O.READING),
    Module(name="ansible.posix.firewalld",
           default_writes=_made("/etc/firewalld/*"),
           kind=_C.NETWORK, names=_w("firewalld"), services=_w("service")),
    Module(name="community.general.ufw",
           default_writes=_made("/etc/ufw/*", "/etc/default/ufw"),
           kind=_C.NETWORK, names=_w("ufw"), quoted=_w("name app comment"),
           plain=_w("from_ip src from to_ip dest to from_port to_port port proto protocol interface if"
                    " interface_in if_in interface_out if_out")),
    Module(name="community.general.nmcli",
           default_writes=_made("/etc/NetworkManager/system-connections/*"),
           kind=_C.NETWORK, names=_w("nmcli")),
)  # fmt: skip

_STORAGE = (
    Module(name="mount_facts", kind=_C.STORAGE, observing=_O.READING, programs=_w("mount_binary"),
           reads=_w("sources"), lists=_w("devices fstypes sources"), not_observing=_w("mount_binary")),
    Module(name="ansible.posix.mount",
           default_writes=_made("/etc/fstab", without="fstab"),
           trees=("",), kind=_C.STORAGE, names=_w("mount"), writes=_w("path name fstab"),
           reads=_w("src"), arguments=_w("path name src"), one_line=_w("path name src opts"),
           plain=_w("fstype dump passno")),
    Module(name="swap", kind=_C.STORAGE, writes=_w("path"), in_shell=_w("*")),
    Module(name="community.general.filesystem", kind=_C.STORAGE, names=_w("filesystem"), writes=_w("dev device")),
    Module(name="community.general.parted", kind=_C.STORAGE, names=_w("parted"), writes=_w("device")),
    Module(name="community.general.lvol", kind=_C.STORAGE, names=_w("lvol"), programs=_w("opts"),
           split=_w("vg lv snapshot thinpool pvs")),
    Module(name="community.general.lvg", kind=_C.STORAGE, names=_w("lvg"), writes=_w("pvs"), lists=_w("pvs")),
)  # fmt: skip

_CLOUD = (
    Module(name="ec2_instance", kind=_C.CLOUD, names=_w("amazon.aws.ec2_instance")),
    Module(name="ec2_instance_info", kind=_C.CLOUD, observing=_O.READING, names=_w("amazon.aws.ec2_instance_info")),
    Module(name="route53_record", kind=_C.CLOUD, names=_w("amazon.aws.route53")),
    Module(name="route53_info", kind=_C.CLOUD, observing=_O.READING, names=_w("amazon.aws.route53_info")),
    Module(name="cloud_run_service", kind=_C.CLOUD, names=_w("google.cloud.cloud_run_service")),
    Module(name="artifact_registry_repository", kind=_C.CLOUD, names=_w("google.cloud.artifact_registry_repository")),
    Module(name="secret_manager_secret", kind=_C.CLOUD, names=_w("google.cloud.secret_manager_secret")),
    Module(name="gcp_compute_instance", kind=_C.CLOUD, names=_w("google.cloud.gcp_compute_instance")),
    Module(name="gcp_compute_instance_info", kind=_C.CLOUD, observing=_O.READING,
           names=_w("google.cloud.gcp_compute_instance_info")),
)  # fmt: skip

_OTHER = (
    Module(name="setup", kind=_C.OTHER, observing=_O.READING, programs=_w("fact_path"),
           lists=_w("gather_subset filter"), not_observing=_w("fact_path")),
    Module(name="ansible.posix.sysctl",
           default_writes=_made("/etc/sysctl.conf", without="sysctl_file"),
           kind=_C.OTHER, names=_w("sysctl"), writes=_w("sysctl_file"),
           synonyms=(_w("name key"), _w("value val")), plain=_w("name key"), line_ends=_w("value val")),
    Module(name="community.general.modprobe",
           default_writes=_made("/etc/modules-load.d/*", "/etc/modprobe.d/*", "/etc/modules", given="persistent"),
           kind=_C.OTHER, names=_w("modprobe"), plain=_w("name"), one_line=_w("params"),
           options_among=_w("params")),
    Module(name="community.general.timezone",
           default_writes=_made("/etc/localtime", "/etc/timezone"),
           kind=_C.OTHER, names=_w("timezone"), plain=_w("name")),
)  # fmt: skip

OBSERVATIONS = (
    Module(name="unit", kind=_C.SERVICES, observing=_O.READING, services=_w("name")),
    Module(name="units", kind=_C.SERVICES, observing=_O.READING),
    Module(name="journal", kind=_C.OTHER, observing=_O.READING, services=_w("unit"), volatile=_w("entries")),
    Module(name="sockets", kind=_C.NETWORK, observing=_O.READING, reads=_w("path")),
    Module(name="processes", kind=_C.OTHER, observing=_O.READING, users=_w("user"), volatile=_w("memory state")),
    Module(name="packages", kind=_C.PACKAGES, observing=_O.READING, packages=_w("name"), lists=_w("name")),
    Module(name="path", kind=_C.FILES, observing=_O.READING, reads=_w("path")),
    Module(name="paths", kind=_C.FILES, observing=_O.READING, reads=_w("paths sha256"), lists=_w("paths sha256")),
    Module(name="http", kind=_C.NETWORK, observing=_O.READING, urls=_w("url"), volatile=_w("headers")),
    Module(name="system", kind=_C.OTHER, observing=_O.READING,
           volatile=_w("load uptime available swap_free used used_percent")),
)  # fmt: skip
"""The built-in observations: this program has them on each host."""

TABLE: tuple[Module, ...] = (
    *OBSERVATIONS,
    *_COMMANDS, *_FILES, *_PACKAGES, *_SERVICES, *_USERS, *_NETWORK, *_STORAGE, *_CLOUD, *_OTHER,
)  # fmt: skip
