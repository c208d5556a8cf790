"""Documents in IMSLP's shape, as text, and the keys that a load makes of them."""

import json
import uuid

# README: the namespace of work_id.
NAMESPACE = uuid.UUID("d46ffb9c-eca1-5806-b039-103925d943c4")

COMPOSERS = 50


def composer_id(number):
    return f"C{number:06d}"


def composers(count=COMPOSERS, first=0, **fields):
    """`count` composers C000000 and on."""
    return json.dumps([composer(number, **fields) for number in range(first, first + count)])


def composer(number, permlink=None):
    record = {"id": "Category:" + composer_id(number), "type": "1", "parent": "", "intvals": []}
    return record if permlink is None else record | {"permlink": permlink}


def work(number, title=None, composer=None, **fields):
    """The record of work `number`: its key depends on the number alone."""
    intvals = {
        "composer": composer_id(number % COMPOSERS) if composer is None else composer,
        "worktitle": f"Title {number}" if title is None else title,
        "pageid": str(number),
    }
    return {"id": f"w{number}", "type": "2", "intvals": intvals | fields}


def works(first, last, title="Title "):
    """Works `first` to `last`, each titled `title` and its number."""
    return json.dumps([work(number, f"{title}{number}") for number in range(first, last + 1)])


def text(records):
    return json.dumps(records)


def work_id(number):
    return uuid.uuid5(NAMESPACE, f"imslp:{number}")


# No record of a work: `intvals` is no object.
BAD = {"intvals": 5}
