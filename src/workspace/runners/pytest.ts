import { readHarness } from '../harness.ts';
import { isPythonConfiguration, isPythonTest, workspacePython } from './python.ts';
import { type RunnerOf, someFile } from './runner.ts';

/** Features that unittest lacks: tests that are functions, and pytest's configuration. */
const pytestPattern = /^\s*(import|from) pytest\b|^(async )?def test_/m;
const configuration = /(^|\/)(conftest\.py|pytest\.ini)$/;

/** Pytest. It also runs unittest's tests if a workspace uses both. */
export const pytest: RunnerOf = async (workspace) => {
  const { root, files } = workspace;
  const tests = files.filter(isPythonTest);
  const isOwn = files.some((file) => configuration.test(file)) || (await someFile(workspace, tests, pytestPattern));
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
          ...['-q', '--no-header', ...testFiles],
        ],
        shown: toolchain.shown,
        environment: { ...toolchain.environment, PYTHONPATH: '../kit:.' },
        files: harness.files,
      },
      input: { coverage },
    }),
  };
};
