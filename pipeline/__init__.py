"""The path of the data, shared by every service: source → lake → warehouse → training → registry → serving."""
