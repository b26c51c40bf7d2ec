import { existsSync } from 'node:fs';
import path from 'node:path';
import { pythonToolchain, type Toolchain } from '../toolchains.ts';

export const isPythonTest = (file: string): boolean => /(^|\/)(test_[^/]+|[^/]+_test)\.py$/.test(file);

export const isPythonConfiguration = (file: string): boolean =>
  isPythonTest(file) || /(^|\/)(conftest\.py|pytest\.ini|pyproject\.toml|setup\.cfg|tox\.ini)$/.test(file);

/** The interpreter of the workspace's virtual environment where it has one, else the machine's. */
export function workspacePython(root: string): Promise<Toolchain> {
  const own = ['.venv', 'venv'].map((name) => path.join(root, name, 'bin', 'python')).find((file) => existsSync(file));
  return pythonToolchain(own);
}
