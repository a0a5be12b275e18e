"""The Streamlit UI, for a person with data and a question. It talks to the inference API only."""
