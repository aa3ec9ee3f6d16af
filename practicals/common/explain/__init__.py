"""Why did the model predict this? SHAP and LIME, and the checks that an explanation must pass.

The nouns here load neither TensorFlow nor an explainer, so the report can read them;
what explains a table is in `practicals.common.explain.tables`.
"""

from practicals.common.explain.explanation import (
    Attribution,
    Check,
    Explanation,
    Swarm,
    read_explanations,
)

__all__ = ["Attribution", "Check", "Explanation", "Swarm", "read_explanations"]
