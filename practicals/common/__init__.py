"""Everything that is not the lesson. Nothing here imports a lesson."""
