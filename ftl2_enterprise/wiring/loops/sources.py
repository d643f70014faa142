"""Files that were sent with a desired state: which of them are stored, and where a loop finds them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ftl2_enterprise.adapters.deciders.manifest import literal_secrets
from ftl2_enterprise.core.problem import invalid
from ftl2_enterprise.core.source_files import ON_DISK, SentFiles, SourceFiles
from ftl2_enterprise.loops.rows import loop_files, revisions as revision_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl2_enterprise.adapters.hosts.inventory.model import Inventory
    from ftl2_enterprise.core.redact import Redactor
    from ftl2_enterprise.protocol.loops.nouns import Loop
    from ftl2_enterprise.protocol.loops.sent_files import SentFile
    from ftl2_enterprise.store.tx import Tx

REFERENCE = "{{ secrets.NAME }} in a template"
WHERE = "put it where the service reads it itself and does not store it, such as below /etc/ftl2-enterprise"


def sent(files: Sequence[SentFile]) -> SentFiles:
    """The files of a request."""
    return SentFiles({file.path: file.content for file in files})


def of_loop(tx: Tx, loop: Loop) -> SourceFiles:
    """The files that are stored with the loop; others are on the disk."""
    if not loop.spec.files:
        return ON_DISK
    return SentFiles(loop_files.get_files(tx, revision_rows.get_revision(tx, loop.id, loop.revision).id))


def digests(files: Sequence[SentFile], used: set[str], redactor: Redactor) -> Mapping[str, str]:
    """SHA-256 of those that were used, by path. Raises Problem(invalid) for one that has a bound secret in it."""
    found: dict[str, str] = {}
    for file in files:
        if file.path in used:
            if redactor.text(file.content) != file.content:
                what = f"cannot store the file {file.path}: it contains a secret, or what appears to be one"
                raise invalid(what, f"bind it under `secrets:` in the manifest, and write {REFERENCE}; or {WHERE}")
            found[file.path] = hashlib.sha256(file.content.encode()).hexdigest()
    return found


def check_inventory(path: str, inventory: Inventory) -> None:
    """Raises Problem(invalid) for an inventory that would be stored and has a literal secret."""
    of_all = {**inventory.host_vars, **{name: group.vars for name, group in inventory.groups.items()}}
    for owner, variables in of_all.items():
        for name, value in variables.items():
            # The path of a file with a key is not a key.
            why = None if name.endswith("_file") else literal_secrets.find(name, value)
            if why is not None:
                raise invalid(f"cannot store the inventory {path}: the variable {name!r} of {owner} {why}", WHERE)
