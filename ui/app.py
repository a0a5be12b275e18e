"""Entry point: ``streamlit run ui/app.py``. Settings, language and navigation; a page does the rest."""

from pathlib import Path

import streamlit as st

from pipeline.errors import ConfigurationError
from pipeline.settings import UiSettings, load_settings
from ui.guard import guarded
from ui.i18n import escape
from ui.links import api_address, draw_links
from ui.session import choose_language

# A file of ours: an emoji or a Material icon would be fetched from a host of Google's.
ICON = Path(__file__).with_name("icon.svg")

# The primary colour of the dark theme is light, to be read as text; white on it cannot be.
# Streamlit does not show which link of the sidebar the keyboard is at.
STYLE = """<style>
button[kind^="primary"]:not(:disabled) {background:#1f6f54; border-color:#1f6f54; color:#fff}
button[kind^="primary"]:not(:disabled):hover {background:#185a44; border-color:#185a44}
[data-testid="stSidebar"] a:focus-visible {outline:2px solid currentColor; outline-offset:1px}
</style>"""


def main() -> None:
    """Draw the sidebar and run the page that the address names."""
    st.set_page_config(page_title="MLOps", page_icon=ICON, layout="wide")
    st.html(STYLE)
    with st.sidebar:
        t = choose_language()
    try:
        settings = load_settings(UiSettings)
    except ConfigurationError as error:
        st.error(f"{t('problem.settings')}\n\n{escape(str(error))}", icon=":material/error:")
        st.stop()
    page = st.navigation(
        [
            st.Page("views/predict.py", title=t("nav.predict"), icon=":material/online_prediction:", default=True),
            st.Page("views/batch.py", title=t("nav.batch"), icon=":material/table_view:"),
            st.Page("views/models.py", title=t("nav.models"), icon=":material/deployed_code:"),
            st.Page("views/data.py", title=t("nav.data"), icon=":material/database:"),
            st.Page("views/monitoring.py", title=t("nav.monitoring"), icon=":material/monitoring:"),
        ]
    )
    # Filled after the page, which knows what it shows.
    beside = st.sidebar.container(key="links", gap=None)
    with st.sidebar:
        st.caption(f"{t('app.api')}: `{api_address(settings)}`")
    guarded(page.run)()
    with beside:
        draw_links(settings, page.url_path, t)


main()
