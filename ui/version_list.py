"""Every version with what was decided about it, the answer to "why was version 2 not promoted?"."""

from collections.abc import Sequence

import streamlit as st

from ui.answers import Decision, History, ModelDetails, ModelVersion, Promotion
from ui.i18n import Translator, escape
from ui.metrics import main_metrics, shown_metric
from ui.texts import TEXTS
from ui.times import clock

# The newest are what people ask about; older ones are one press away.
FIRST_SHOWN = 5
SHOWN_METRICS = 3
# How checks that compare a version with the champion, or with a dummy, begin.
COMPARISON = "beats_"


def decision_about(history: History, version: int) -> Promotion | None:
    """The newest entry of the history that made a version champion or refused to."""
    return next((entry for entry in history.promotions if entry.to_version == version), None)


def judgement_of(history: History, version: int) -> Promotion | None:
    """The newest entry that says how a version was judged, which a roll back to it leaves true."""
    told = (entry for entry in history.promotions if entry.to_version == version and entry.action != "rollback")
    return next(told, None)


def draw_versions(details: ModelDetails, history: History | None, t: Translator) -> None:
    """Draw the versions, newest first.

    Parameters
    ----------
    history : None when it cannot be read.
    """
    versions = sorted(details.versions, key=lambda version: -version.version)
    if not versions:
        st.caption(t("models.no_versions"))
        return
    key = f"more_{details.name}"
    shown = versions if st.session_state.get(key) else versions[:FIRST_SHOWN]
    metrics = main_metrics([version.metrics for version in versions])[:SHOWN_METRICS]
    for version in shown:
        with st.container(border=True, key=f"version_{details.name}_{version.version}_card"):
            _draw_version(version, details, history, metrics, t)
    if len(shown) < len(versions):
        label = t("versions.more", count=len(versions) - len(shown))
        st.button(label, key=f"show_{key}", icon=":material/expand_more:", on_click=_show_more, args=(key,))


def _show_more(key: str) -> None:
    st.session_state[key] = True


def _draw_version(
    version: ModelVersion, details: ModelDetails, history: History | None, metrics: Sequence[str], t: Translator
) -> None:
    entry = decision_about(history, version.version) if history else None
    badges = [_badge(version, details, entry, t)]
    badges += [f":gray-badge[{escape(alias)}]" for alias in version.aliases if alias != "champion"]
    st.markdown(f"**{t('versions.heading', version=version.version)}** {' '.join(filter(None, badges))}")
    facts = [t("versions.trained", at=clock(version.created_at))] if version.created_at else []
    facts += [f"{t.known('metric', name)} {shown_metric(version.metrics.get(name))}" for name in metrics]
    st.markdown(f":small[:gray[{escape(' · '.join(facts))}]]")
    if history is None:
        return
    if entry is None:
        st.markdown(t("versions.undecided"))
        return
    _draw_entry(entry, t)
    judged = judgement_of(history, version.version)
    if judged and judged is not entry:
        _draw_entry(judged, t)


def _badge(version: ModelVersion, details: ModelDetails, entry: Promotion | None, t: Translator) -> str:
    if version.version == details.champion_version:
        return f":green-badge[:material/check: {t('versions.badge.champion')}]"
    if entry and entry.action in ("reject", "dry_run"):
        return f":orange-badge[:material/close: {t('versions.badge.rejected')}]"
    if entry and entry.action in ("promote", "rollback"):
        return f":gray-badge[{t('versions.badge.earlier')}]"
    return ""


def _draw_entry(entry: Promotion, t: Translator) -> None:
    heading = {"reject": "rejected", "promote": "promoted", "dry_run": "dry_run", "rollback": "rollback"}
    key = heading.get(entry.action)
    decision = entry.decision
    lines = [escape(entry.reason)]
    if decision and (entry.action == "promote" or (entry.action == "reject" and not decision.accepted)):
        lines = reasons(decision, t)
    title = t(f"versions.{key}", at=clock(entry.at)) if key else escape(entry.action)
    st.markdown(f"{title}\n" + "\n".join(f"- {line}" for line in lines if line))
    if decision and decision.checks:
        failed = sum(not check.passed for check in decision.checks)
        with st.expander(t("versions.checks", count=len(decision.checks), failed=failed), icon=":material/checklist:"):
            st.markdown("\n".join(check_lines(decision, t)))


def reasons(decision: Decision, t: Translator) -> list[str]:
    """What kept a version from being promoted, or what let it be, as Markdown, a line each.

    Of a version that passed every check, the comparison says most; the list of all checks has the rest.
    """
    failed = [check for check in decision.checks if not check.passed]
    decisive = failed or [check for check in decision.checks if check.name.startswith(COMPARISON)]
    if not decisive:
        return [escape(reason) for reason in decision.reasons]
    kind = "failed" if failed else "check"
    return [f"**{escape(_check_words(kind, check.name, t))}**: {escape(check.detail)}" for check in decisive]


def _check_words(kind: str, name: str, t: Translator) -> str:
    return t.known(kind, name) if f"{kind}.{name}" in TEXTS else t.known("check", name)


def check_lines(decision: Decision, t: Translator) -> list[str]:
    """One Markdown line per check, the failed ones first."""
    lines = []
    for check in sorted(decision.checks, key=lambda check: check.passed):
        mark = ":green[:material/check_circle:]" if check.passed else ":red[:material/cancel:]"
        state = t("versions.passed" if check.passed else "versions.failed")
        lines.append(f"- {mark} **{escape(t.known('check', check.name))}** ({state}): {escape(check.detail)}")
    return lines
