import { readHarness } from '../harness.ts';
import { importPath, isPythonConfiguration, isPythonTest, workspacePython } from './python.ts';
import { type RunnerOf, someFile } from './runner.ts';

/** Python's own runner: files with unittest classes. */
export const unittest: RunnerOf = async (workspace) => {
  const { root, files } = workspace;
  if (!(await someFile(workspace, files.filter(isPythonTest), /^\s*(import|from) unittest\b/m))) return null;
  const toolchain = await workspacePython(root);
  const harness = await readHarness('unmask_unittest.py');
  return {
    name: 'unittest',
    stripTypes: false,
    isTest: isPythonTest,
    isConfiguration: isPythonConfiguration,
    version: `${toolchain.version} ${harness.version}`,
    job: (testFiles, coverage) => ({
      job: {
        command: [toolchain.program, '-B', '../kit/unmask_unittest.py'],
        shown: toolchain.shown,
        environment: { ...toolchain.environment, PYTHONPATH: importPath(files) },
        files: harness.files,
      },
      input: { files: testFiles, coverage },
    }),
  };
};
