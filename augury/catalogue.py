"""The catalogue of a project and of what was applied, from settings."""

from augury.clients import warehouse
from augury.models import registry
from augury.preview import all_uses
from augury.settings import Settings
from features.catalogue import Entry, catalogue
from features.project import Project
from warehouse.contracts import applied


def read_catalogue(project: Project | None, settings: Settings) -> list[Entry]:
    """List the groups of a project, if there is one, and those that were applied.

    Raises `DefinitionError` for a mistake in the project, `ConnectionError` where the warehouse does not
    answer.
    """
    plans = None if project is None else list(project.group_plans.values())
    models = [] if project is None else list(project.model_plans.values())
    client = warehouse(settings)
    try:
        contracts = applied(client)
    finally:
        client.close()
    held = registry(settings)
    return catalogue(plans, contracts, all_uses(models, held), held.cutovers.routes())
