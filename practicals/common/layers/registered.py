"""The name under which layers are registered: with it in front, a saved model finds its layers wherever they stand."""

PACKAGE = "practicals"
