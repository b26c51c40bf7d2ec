import { readHarness } from '../harness.ts';
import { importPath, isPythonConfiguration, isPythonTest, workspacePython } from './python.ts';
import { type RunnerOf, someFile } from './runner.ts';

/** Features that unittest lacks: tests that are functions, and pytest's configuration. */
const pytestPattern = /^\s*(import|from) pytest\b|^(async )?def test_/m;
const configuration = /(^|\/)(conftest\.py|\.?pytest\.ini)$/;
/** Files whose sections may configure pytest, and these sections. */
const sharedConfiguration = /(^|\/)(pyproject\.toml|setup\.cfg|tox\.ini)$/;
const section = /^\[(tool\.pytest(\.ini_options)?|tool:pytest|pytest)\]/m;
/** A class that only pytest collects: it extends nothing, and unittest is not imported. */
const plainClass = /^class Test\w*\s*(\(\s*(object)?\s*\))?:/m;

/** Pytest. It also runs unittest's tests if a workspace uses both. */
export const pytest: RunnerOf = async (workspace) => {
  const { root, files } = workspace;
  const tests = files.filter(isPythonTest);
  const isOwn =
    files.some((file) => configuration.test(file)) ||
    (await someFile(workspace, tests, pytestPattern)) ||
    (await someFile(workspace, tests, plainClass)) ||
    (await someFile(
      workspace,
      files.filter((file) => sharedConfiguration.test(file)),
      section,
    ));
  if (tests.length === 0 || !isOwn) return null;
  const toolchain = await workspacePython(root);
  const harness = await readHarness('unmask_pytest.py');
  return {
    name: 'pytest',
    stripTypes: false,
    isTest: isPythonTest,
    isConfiguration: isPythonConfiguration,
    version: `${toolchain.version} ${harness.version}`,
    job: (testFiles, coverage) => ({
      job: {
        command: [
          toolchain.program,
          ...['-B', '-m', 'pytest', '-p', 'unmask_pytest', '-p', 'no:cacheprovider'],
          ...testFiles,
        ],
        shown: toolchain.shown,
        environment: { ...toolchain.environment, PYTHONPATH: `../kit:${importPath(files)}` },
        files: harness.files,
      },
      input: { coverage },
    }),
  };
};
