"""Records to rows, for the two sources, as tuples in the order of COLUMNS.

Ids are md5, the cheapest there is: pg_opus makes UUIDv5.
"""

import re
from collections import Counter
from hashlib import md5

COLUMNS = {
    "imslp": ("work_id", "composer_id", "title", "catalogue_number", "imslp_id", "permlink"),
    "openopus": ("work_id", "composer_id", "title", "subtitle", "genre", "search_terms", "popular", "recommended"),
}

_unclean = re.compile(r"^\s|\s$|\s\s|[\t-\r]").search
_BOOLEANS = {"1": True, "0": False, True: True, False: False}


def clean(text: str) -> str:
    return " ".join(text.split()) if _unclean(text) else text


def identifier(identity: str) -> str:
    return md5(identity.encode(), usedforsecurity=False).hexdigest()


def imslp(records: list[dict]) -> list[tuple]:
    rows = []
    for record in records:
        intvals = record["intvals"]
        pageid = intvals.get("pageid")
        rows.append(
            (
                identifier(f"imslp:{record['id'] if pageid is None else pageid}"),
                intvals["composer"].replace(" ", "_"),
                clean(intvals["worktitle"]),
                clean(intvals.get("icatno") or "") or None,
                pageid,
                record["permlink"] or None,
            )
        )
    return rows


def openopus(dump: dict, keys: dict[str, str]) -> list[tuple]:
    """`keys` are the composers' keys by complete name."""
    rows = []
    for composer in dump["composers"]:
        composer_id = keys[clean(composer["complete_name"])]
        counts: Counter[str] = Counter()
        for work in composer["works"]:
            title = clean(work["title"])
            subtitle = clean(work.get("subtitle") or "") or None
            equal = f"openopus:{composer_id}/{title}/{subtitle or ''}/"
            terms = work.get("searchterms") or []
            terms = terms.split(",") if isinstance(terms, str) else terms
            rows.append(
                (
                    identifier(f"{equal}{counts[equal]}"),
                    composer_id,
                    title,
                    subtitle,
                    clean(work.get("genre") or "") or None,
                    [term for term in map(clean, terms) if term] or None,
                    _BOOLEANS.get(work.get("popular")),
                    _BOOLEANS.get(work.get("recommended")),
                )
            )
            counts[equal] += 1
    return rows
