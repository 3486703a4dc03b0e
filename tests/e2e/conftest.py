"""One cluster for all tests, with the images of this tree on its nodes."""

from collections.abc import Generator, Iterator

import pytest
from cluster_runs import Installation, Workspace, served_gateway
from cluster_runs import installation as installed_chart
from cluster_runs import workspace as made_workspace
from kind import Cluster, Images, build_images, find_cluster, image_names

FAILED = pytest.StashKey[bool]()
FIXTURES_OF_THE_CLUSTER = {"built_images", "cluster", "images"}
LIMIT_S = 300


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        # The first test of the cluster may build images and make the cluster: that is not its time.
        if FIXTURES_OF_THE_CLUSTER.intersection(getattr(item, "fixturenames", ())) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(LIMIT_S, func_only=True))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


@pytest.fixture(scope="session")
def built_images() -> Images:
    return build_images()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    found = find_cluster(tmp_path_factory.mktemp("cluster"))
    if found.kind_name is not None:
        found.let_every_node_run_pods()
    return found


@pytest.fixture(scope="session")
def images(request: pytest.FixtureRequest, cluster: Cluster) -> Images:
    """On every node; where the cluster is not of kind, it pulls them itself."""
    if cluster.kind_name is None:
        return image_names()
    built: Images = request.getfixturevalue("built_images")
    cluster.load(built)
    return built


@pytest.fixture(scope="session")
def installation(cluster: Cluster, images: Images) -> Iterator[Installation]:
    """The chart, with the images of this tree."""
    with installed_chart(cluster, images) as made:
        yield made


@pytest.fixture
def workspace(request: pytest.FixtureRequest, installation: Installation) -> Iterator[Workspace]:
    """For cameras and pipelines; after it the invariants must hold."""
    with made_workspace(installation, request.node.name, lambda: request.node.stash.get(FAILED, False)) as made:
        yield made


@pytest.fixture
def namespace(request: pytest.FixtureRequest, cluster: Cluster) -> Iterator[str]:
    """A namespace that enforces Pod Security `restricted`; a test that fails tells what was in it."""
    with cluster.namespace() as name:
        yield name
        if request.node.stash.get(FAILED, False):
            print(cluster.describe(name))


@pytest.fixture
def gateway(workspace: Workspace) -> Iterator[dict[int, str]]:
    """The gateway of this workspace's namespace: where its ports are on this machine."""
    with served_gateway(workspace) as found:
        yield found
