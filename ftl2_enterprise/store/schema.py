"""The one MetaData, in which every capability registers its tables."""

from __future__ import annotations

from sqlalchemy import MetaData

metadata = MetaData()
