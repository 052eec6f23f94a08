"""The rules of sessions: the config file's, and the account settings as they are now."""

from collections.abc import Mapping

from relay import wire
from relay.account import AccountSettings, Site
from relay.accounts.live import Accounts
from relay.registry import GroupRules
from relay.session import Limits
from relay.settings import GroupSettings


class GroupsNow:
    """Args: secret: of the keys to sessions' files."""

    def __init__(
        self, groups: Mapping[str, GroupSettings], accounts: Accounts, secret: bytes
    ) -> None:
        self._groups, self._accounts, self._secret = groups, accounts, secret
        self._made: dict[tuple[str, Site], tuple[AccountSettings, GroupRules]] = {}

    def __contains__(self, group: str) -> bool:
        return group in self._groups

    def rules(self, group: str, site: Site = "production") -> GroupRules:
        """Raises: KeyError for a group that there is not."""
        account = self._accounts.of(group, site)
        known, rules = self._made.get((group, site), (None, None))
        if rules is None or known is not account:
            rules = self._rules(self._groups[group], account)
            self._made[group, site] = account, rules
        return rules

    def _rules(self, group: GroupSettings, account: AccountSettings) -> GroupRules:
        return GroupRules(
            limits=Limits(account.waiting_s, account.away_s, account.idle_s, account.longest_s),
            rules=wire.Rules(
                mask=account.mask,
                selectors=[element.selector for element in account.masked_elements],
                pages=account.masked_pages,
                title=account.mask_title,
                query=account.mask_query,
                canvas_fps=account.canvas_fps,
            ),
            replaces=group.key_conflict == "replace",
            max_sessions=min(group.max_sessions, account.max_sessions),
            asset_secret=self._secret if account.assets else b"",
            pointer=account.agent_pointer,
        )
