"""Every store keeps account settings in the same way: one suite over all of them."""

import asyncio
import secrets
import time

import pytest

from relay.account import AccountSettings, Button, MaskedElement
from relay.accounts import live
from relay.accounts.live import Accounts, Conflict, Fixed
from relay.accounts.store import MAX_ENTRIES, AccountStore, Draft, Entry, MemoryAccounts, Version
from relay.accounts.texts import MAX_TEXT_CHARACTERS, BadSettings, Change
from relay.store import Store, StoreError

HOSTILE = "'; DROP TABLE audit; -- \N{SLIGHTLY SMILING FACE}"


@pytest.fixture
def group() -> str:
    """A group of its own: databases outlive a test."""
    return secrets.token_hex(8)


@pytest.fixture
def kept(store: Store) -> AccountStore:
    return store.accounts


def version(group: str, number: int, text: str = "") -> Version:
    return Version(group=group, number=number, at=1000.5, who="anna", note=HOSTILE, text=text)


def draft(group: str, revision: int, text: str = "") -> Draft:
    return Draft(group=group, revision=revision, at=1000.5, who="anna", text=text)


def entry(group: str, action: str = "saved") -> Entry:
    differs = [Change("button.text", '""', HOSTILE)]
    return Entry(group=group, at=1000.5, who=HOSTILE, action=action, changes=differs)


async def test_versions_are_kept_and_told_from_the_newest_on(
    kept: AccountStore, group: str
) -> None:
    assert await kept.versions(group, 9) == [] and await kept.version(group, 1) is None
    for number in (1, 2, 3):
        assert await kept.publish(version(group, number, f"x = {number}"), entry(group))
    assert [v.number for v in await kept.versions(group, 2)] == [3, 2]
    assert await kept.version(group, 2) == version(group, 2, "x = 2")
    assert (await kept.heads())[group] == (3, 0)


async def test_a_number_is_given_once_and_what_failed_left_no_line(
    kept: AccountStore, group: str
) -> None:
    tries = [kept.publish(version(group, 1, str(n)), entry(group, str(n))) for n in range(9)]
    won = await asyncio.gather(*tries)
    assert sum(won) == 1
    winner = str(won.index(True))
    [published] = await kept.versions(group, 9)
    assert published.text == winner
    assert [e.action for e in await kept.entries(group, 9) if e.group] == [winner]


async def test_a_draft_follows_the_one_before_it_and_no_other(
    kept: AccountStore, group: str
) -> None:
    assert await kept.draft(group) is None
    assert not await kept.save(draft(group, 2), entry(group))
    tries = [kept.save(draft(group, 1, str(n)), entry(group)) for n in range(9)]
    assert sum(await asyncio.gather(*tries)) == 1
    assert not await kept.save(draft(group, 1, "again"), entry(group))
    tries = [kept.save(draft(group, 2, str(n)), entry(group)) for n in range(9)]
    assert sum(await asyncio.gather(*tries)) == 1
    found = await kept.draft(group)
    assert found is not None and found.revision == 2
    assert (await kept.heads())[group] == (0, 2)
    assert len([e for e in await kept.entries(group, 99) if e.group]) == 2


async def test_the_audit_list_is_the_groups_and_what_concerns_all(
    kept: AccountStore, group: str
) -> None:
    other = secrets.token_hex(8)
    for of in (group, other, "", group):
        await kept.note(entry(of, f"by {group}"))
    found = [e for e in await kept.entries(group, 99) if e.action == f"by {group}"]
    assert [e.group for e in found] == [group, "", group]
    assert found[0] == entry(group, f"by {group}")
    assert len(await kept.entries(group, 2)) == 2


async def test_a_secret_is_taken_once_and_not_when_it_has_expired(
    kept: AccountStore, group: str
) -> None:
    soon = time.time() + 60
    await kept.keep_secret(group, "a", soon)
    await kept.keep_secret(group, "b", soon)
    assert await kept.secret(group) == "b"
    assert sum(await asyncio.gather(*(kept.take_secret(group) for _ in range(9)))) == 1
    assert await kept.secret(group) == ""
    await kept.keep_secret(group, "old", 5.0)
    assert await kept.secret(group) == "" and not await kept.take_secret(group)


async def test_in_memory_nothing_grows_for_ever() -> None:
    kept = MemoryAccounts()
    for number in range(MAX_ENTRIES + 5):
        await kept.note(entry("7", str(number)))
        await kept.keep_secret(str(number), "x", 5.0)
    assert len(await kept.entries("7", 2 * MAX_ENTRIES)) == MAX_ENTRIES
    assert len(vars(kept)["_secrets"]) == 1


# -- what counts now -----------------------------------------------------------------------------

HELP = AccountSettings(button=Button(text="Help"))


async def test_saved_published_and_brought_back(kept: AccountStore, group: str) -> None:
    accounts = Accounts({group: None}, kept)
    assert accounts.of(group) == accounts.of(group, "staging") == AccountSettings()
    await accounts.save(group, HELP, 0, "anna")
    assert accounts.of(group) == AccountSettings() and accounts.of(group, "staging") == HELP
    assert await accounts.publish(group, 1, "anna", " a\n\x00 note " + "x" * 300) == 1
    assert accounts.of(group) == HELP
    await accounts.save(group, AccountSettings(mask="text"), 1, "bert")
    assert await accounts.publish(group, 2, "bert") == 2
    await accounts.bring_back(group, 1, 2, "anna")
    assert accounts.of(group).mask == "text" and accounts.of(group, "staging") == HELP
    with pytest.raises(KeyError):
        await accounts.bring_back(group, 7, 3, "anna")
    newest, first = await kept.versions(group, 9)
    assert (newest.number, newest.who, first.who) == (2, "bert", "anna")
    assert first.note.startswith("a note xx") and len(first.note) == 200
    told = [(e.who, e.action) for e in await kept.entries(group, 9) if e.group]
    assert told == [
        ("anna", "brought back version 1"),
        ("bert", "published version 2"),
        ("bert", "saved"),
        ("anna", "published version 1"),
        ("anna", "saved"),
    ]
    [*_, first_entry] = [e for e in await kept.entries(group, 9) if e.group]
    [change] = first_entry.changes
    assert (change.key, change.new) == ("button.text", '"Help"')


async def test_who_comes_second_is_told_and_nothing_is_overwritten(
    kept: AccountStore, group: str
) -> None:
    """At one relay or at two."""
    here, there = Accounts({group: None}, kept), Accounts({group: None}, kept)
    await here.save(group, HELP, 0, "anna")
    for accounts in (there, here):
        with pytest.raises(Conflict):
            await accounts.save(group, AccountSettings(mask="none"), 0, "bert")
        with pytest.raises(Conflict):
            await accounts.publish(group, 0, "bert")
        assert accounts.of(group, "staging") == HELP
    assert await kept.versions(group, 9) == []


async def test_others_hear_of_it_when_they_look(kept: AccountStore, group: str) -> None:
    here, there = Accounts({group: None}, kept), Accounts({group: None}, kept)
    await here.save(group, HELP, 0, "anna")
    await here.publish(group, 1, "anna")
    assert there.of(group) == AccountSettings()
    await there.look()
    assert there.of(group) == HELP and there.current(group).number == 1


async def test_the_config_file_is_the_truth_where_it_says_something(
    kept: AccountStore, group: str
) -> None:
    await Accounts({group: None}, kept).save(group, HELP, 0, "anna")
    fixed = AccountSettings(mask="text")
    accounts = Accounts({group: fixed}, kept)
    await accounts.look()
    assert accounts.of(group) == accounts.of(group, "staging") == fixed
    with pytest.raises(Fixed):
        await accounts.save(group, HELP, 1, "anna")
    with pytest.raises(Fixed):
        await accounts.publish(group, 1, "anna")


async def test_nothing_is_kept_that_cannot_be_read_again(kept: AccountStore, group: str) -> None:
    rows = [MaskedElement(selector=f"#a{n}" + "x" * 990) for n in range(500)]
    account = AccountSettings(masked_elements=rows)
    assert len(rows) * 990 > MAX_TEXT_CHARACTERS
    accounts = Accounts({group: None}, kept)
    with pytest.raises(BadSettings):
        await accounts.save(group, account, 0, "anna")
    assert await kept.draft(group) is None


async def test_settings_of_another_version_are_not_half_understood(
    kept: AccountStore, group: str
) -> None:
    """What was known counts on, and other groups' are read."""
    other = secrets.token_hex(8)
    accounts = Accounts({group: None, other: None}, kept)
    await accounts.save(group, HELP, 0, "anna")
    await accounts.publish(group, 1, "anna")
    assert await kept.publish(version(group, 2, "masked_frames = true"), entry(group))
    assert await kept.publish(version(other, 1, 'mask = "text"'), entry(other))
    with pytest.raises(BadSettings) as refused:
        await accounts.look()
    assert accounts.of(other).mask == "text"
    assert group in str(refused.value) and "masked_frames" in str(refused.value)
    assert accounts.of(group) == HELP


class AwayAccounts(MemoryAccounts):
    """Gives no answer while it is away."""

    is_away, asked = False, 0

    async def heads(self) -> dict[str, tuple[int, int]]:
        self.asked += 1
        if self.is_away:
            raise StoreError("away")
        return await super().heads()


async def test_what_was_known_counts_while_the_store_is_away(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LOOK_EVERY_S", 0.001)
    kept = AwayAccounts()
    here, there = Accounts({"7": None}, kept), Accounts({"7": None}, kept)
    async with asyncio.TaskGroup() as tasks:
        looking = tasks.create_task(there.keep_current(), name="look")
        await here.save("7", HELP, 0, "anna")
        await here.publish("7", 1, "anna")
        while there.of("7") != HELP:
            await asyncio.sleep(0)
        kept.is_away = True
        await here.save("7", AccountSettings(mask="text"), 1, "anna")
        await here.publish("7", 2, "anna")
        asked = kept.asked
        while kept.asked < asked + 3:
            await asyncio.sleep(0)
        assert there.of("7") == HELP
        assert caplog.messages == ["account settings cannot be read: away"]  # once
        kept.is_away = False
        while there.of("7").mask != "text":
            await asyncio.sleep(0)
        looking.cancel()
