"""The built packages: their contents, what the distributions' tools report, and that they run."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ftl2_packaging import building, licences, places, wheels
from tests.packaging.conftest import source_state

pytestmark = pytest.mark.timeout(900)
SITE_PACKAGES = "usr/lib/ftl2-enterprise/lib/python3.13/site-packages"
SCRIPTS = places.PACKAGING / "scripts"


def needs(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


def output_of(*command: str | Path) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def described(kind: str) -> dict[str, str]:
    """Destinations of the description, with their types."""
    description = yaml.safe_load((places.PACKAGING / "nfpm.yaml").read_text())
    contents = [one for one in description["contents"] if one.get("packager", kind) == kind]
    return {str(one["dst"]): str(one.get("type", "file")) for one in contents}


@pytest.fixture(scope="module")
def unpacked(packages: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    needs("dpkg-deb")
    root = tmp_path_factory.mktemp("root")
    output_of("dpkg-deb", "--raw-extract", packages["deb"], root)
    return root


def test_the_debian_package_has_what_is_described_and_nothing_else(unpacked: Path) -> None:
    expected = described("deb")
    for destination, kind in expected.items():
        place = unpacked / destination.lstrip("/")
        assert place.is_symlink() if kind == "symlink" else place.exists(), destination
    roots = [place.rstrip("/") for place in expected]
    for path in unpacked.rglob("*"):
        place = "/" + str(path.relative_to(unpacked))
        if path.is_dir() or place.startswith("/DEBIAN/"):
            continue
        assert any(place == root or place.startswith(f"{root}/") for root in roots), place


def test_only_the_settings_file_is_configuration(unpacked: Path) -> None:
    assert (unpacked / "DEBIAN" / "conffiles").read_text().split() == ["/etc/ftl2-enterprise/config.toml"]


def test_everything_belongs_to_root_and_only_root_may_write(packages: dict[str, Path]) -> None:
    needs("dpkg-deb")
    for line in output_of("dpkg-deb", "--contents", packages["deb"]).splitlines():
        mode, owner = line.split()[:2]
        assert owner in ("root/root", "0/0"), line
        assert mode[0] == "l" or (mode[5] == "-" and mode[8] == "-"), line


def test_no_installer_no_tests_and_no_other_byte_code(unpacked: Path) -> None:
    packages = unpacked / SITE_PACKAGES
    for absent in ("pip", "setuptools", "pytest", "sqlalchemy/testing", "alembic/testing"):
        assert not (packages / absent).exists()
    assert not list(packages.glob("*.pth"))
    sources = list(packages.rglob("*.py"))
    compiled = {path.name for path in packages.rglob("*.pyc")}
    assert len(compiled) > 100
    assert all(name.endswith(".cpython-313.pyc") for name in compiled)
    for source in sources:
        code = source.parent / "__pycache__" / f"{source.stem}.cpython-313.pyc"
        # Unchecked: flags are 1, a hash and no date.
        assert code.read_bytes()[4:8] == b"\x01\x00\x00\x00", source


def test_every_line_of_the_lock_file_is_bundled_and_has_a_licence(unpacked: Path) -> None:
    lines = (places.PACKAGING / "requirements.lock").read_text().splitlines()
    names = [line.partition("==")[0] for line in lines if "==" in line]
    found = {
        path.name.removesuffix(".dist-info").rpartition("-")[0].lower().replace("_", "-")
        for path in (unpacked / SITE_PACKAGES).glob("*.dist-info")
    }
    text = (unpacked / "usr/share/doc/ftl2-enterprise/copyright").read_text()
    for name in names:
        assert name in found
        assert f"\nComment: {name} " in text, name


def test_all_licences_are_named_and_their_texts_are_included(packages: dict[str, Path]) -> None:
    needs("rpm")
    licence = output_of("rpm", "-qp", "--qf", "%{LICENSE}", packages["rpm"])
    assert {"Apache-2.0", "GPL-3.0-or-later", "BSD-2-Clause", "MIT", "PSF-2.0"} <= set(licence.split(" AND "))
    # What a wheel does not contain is where the list declares it.
    bundled = {one.name: one for one in licences.read(wheels.collect(places.of_source(Path("build"), "1")))}
    borrowed = bundled["ftl-collections"].texts_with
    assert borrowed
    folder = "/usr/share/licenses/ftl2-enterprise"
    listed = output_of("rpm", "-qpl", packages["rpm"]).splitlines()
    for other in borrowed.values():
        for name in bundled[other].texts:
            assert f"{folder}/{other}/{name}" in listed


def test_the_programs_run_from_where_it_is_unpacked(unpacked: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    shutil.copytree(unpacked / "usr/lib/ftl2-enterprise", environment, symlinks=True)
    interpreter = environment / "bin" / "python3.13"
    assert interpreter.readlink() == Path("/usr/bin/python3.13")
    interpreter.unlink()
    interpreter.symlink_to(Path(sys.base_prefix) / "bin" / "python3.13")
    version = places.of_source(tmp_path, "1").version
    run = [interpreter, "-I"]
    assert output_of(*run, environment / "bin/ftl2-enterprise", "--version") == f"ftl2-enterprise {version}\n"
    assert output_of(*run, environment / "bin/ftl2ctl", "version", "--client") == f"ftl2ctl {version}\n"
    database = tmp_path / "loops.db"
    assert "created" in output_of(*run, environment / "bin/ftl2-enterprise", "--db", str(database), "init-db")
    where = output_of(
        *run, "-c", "import ftl2_enterprise, sqlalchemy; print(ftl2_enterprise.__file__, sqlalchemy.__file__)"
    )
    assert all(place.startswith(str(environment)) for place in where.split())


def test_the_same_source_gives_the_same_bytes(packages: dict[str, Path], tmp_path: Path) -> None:
    """With everything done anew, but for the download."""
    build = places.of_source(tmp_path / "again", "1")
    shutil.copytree(build.cache / "wheels", tmp_path / "cache" / "wheels")
    made = building.make(dataclasses.replace(build, cache=tmp_path / "cache"), building.FORMATS)
    if source_state() != (packages["deb"].parent / "source").read_text():
        pytest.skip("the source has changed in the meantime")
    for path in made:
        first, second = (hashlib.sha256(one.read_bytes()).hexdigest() for one in (packages[path.suffix[1:]], path))
        assert first == second, path.name
    assert len(made) == len(building.FORMATS)


def test_lintian_reports_no_error(packages: dict[str, Path]) -> None:
    needs("lintian")
    done = subprocess.run(
        ["lintian", "--fail-on", "error", packages["deb"]], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_rpmlint_reports_no_error(packages: dict[str, Path]) -> None:
    needs("rpmlint")
    config = places.PACKAGING / "rpmlint.toml"
    done = subprocess.run(["rpmlint", "-c", config, packages["rpm"]], capture_output=True, text=True, check=False)
    assert " 0 errors" in done.stdout, done.stdout[-3000:]


def test_the_rpm_has_what_is_described(packages: dict[str, Path]) -> None:
    needs("rpm")
    listed = output_of("rpm", "-qpl", packages["rpm"]).splitlines()
    for destination in described("rpm"):
        assert any(place == destination or place.startswith(f"{destination}/") for place in listed), destination
    assert output_of("rpm", "-qp", "--configfiles", packages["rpm"]).split() == ["/etc/ftl2-enterprise/config.toml"]
    documents = output_of("rpm", "-qp", "--docfiles", packages["rpm"])
    assert "/usr/share/man/man1/ftl2ctl.1.gz" in documents
    assert "/usr/share/doc/ftl2-enterprise/how-to/operate.md" in documents
    # Folders of the system belong to others.
    assert not {"/usr", "/usr/bin", "/usr/lib", "/etc", "/usr/lib/systemd/system"} & set(listed)


def test_the_rpm_is_installed_into_a_root_and_verified(packages: dict[str, Path], tmp_path: Path) -> None:
    needs("rpm")
    if os.geteuid():
        pytest.skip("only root can install an RPM")
    rpm = ["rpm", "--root", tmp_path, "--dbpath", "/var/lib/rpm"]
    output_of(*rpm, "--initdb")
    output_of(*rpm, "-i", "--nodeps", "--noscripts", "--ignoreos", packages["rpm"])
    assert output_of(*rpm, "-V", "--nodeps", "--noscripts", "ftl2-enterprise") == ""
    config = tmp_path / "etc/ftl2-enterprise/config.toml"
    config.write_text("[log]\n")
    output_of(*rpm, "-e", "--nodeps", "--noscripts", "ftl2-enterprise")
    assert not (tmp_path / "usr/lib/ftl2-enterprise").exists()
    assert Path(f"{config}.rpmsave").read_text() == "[log]\n"


@pytest.mark.parametrize("script", sorted(path for folder in ("deb", "rpm") for path in (SCRIPTS / folder).iterdir()))
def test_scripts_are_in_the_packages_and_are_shell(script: Path, packages: dict[str, Path]) -> None:
    assert subprocess.run(["sh", "-n", script], check=False).returncode == 0
    if script.parent.name == "deb":
        needs("dpkg-deb")
        assert output_of("dpkg-deb", "--info", packages["deb"], script.name) == script.read_text()
    else:
        needs("rpm")
        assert script.read_text().strip() in output_of("rpm", "-qp", "--scripts", packages["rpm"])
