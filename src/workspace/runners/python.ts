import { existsSync } from 'node:fs';
import path from 'node:path';
import { environmentToolchain, isInside, pythonOnPath, pythonToolchain, type Toolchain } from '../toolchains.ts';
import { isTestData } from './runner.ts';

export const isPythonTest = (file: string): boolean => /(^|\/)(test_[^/]+|[^/]+_test)\.py$/.test(file);

export const isPythonConfiguration = (file: string): boolean =>
  isPythonTest(file) ||
  isTestData(file) ||
  /(^|\/)(conftest\.py|pytest\.ini|pyproject\.toml|setup\.cfg|tox\.ini)$/.test(file);

/** Where tests import the workspace's own packages from: its root, and `src`, which an editable install would add. */
export const importPath = (files: readonly string[]): string =>
  files.some((file) => /^src\/.*\.py$/.test(file)) ? '.:src' : '.';

/** The interpreter of the workspace's virtual environment if it has one, otherwise the machine's. */
export function workspacePython(root: string): Promise<Toolchain> {
  const own = ['.venv', 'venv'].map((name) => path.join(root, name, 'bin', 'python')).find((file) => existsSync(file));
  if (own !== undefined) return environmentToolchain(root, own);
  // A virtual environment of the workspace may be active; it can have any name.
  const found = pythonOnPath();
  return found !== null && isInside(root, path.dirname(found))
    ? environmentToolchain(root, found)
    : pythonToolchain(found);
}
