import { existsSync } from 'node:fs';
import path from 'node:path';
import { readHarness } from '../harness.ts';
import { pythonToolchain } from '../toolchains.ts';
import type { RunnerOf } from './runner.ts';

const isTest = (file: string): boolean => /(^|\/)(test_[^/]+|[^/]+_test)\.py$/.test(file);

/** Pytest, by the workspace's virtual environment where it has one. */
export const pytest: RunnerOf = async ({ root, files }) => {
  if (!files.some(isTest)) return null;
  const own = ['.venv', 'venv'].map((name) => path.join(root, name, 'bin', 'python')).find((file) => existsSync(file));
  const toolchain = await pythonToolchain(own);
  const harness = await readHarness('unmask_pytest.py');
  return {
    name: 'pytest',
    stripTypes: false,
    isTest,
    isConfiguration: (file) =>
      isTest(file) || /(^|\/)(conftest\.py|pytest\.ini|pyproject\.toml|setup\.cfg|tox\.ini)$/.test(file),
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
