import { readHarness } from '../harness.ts';
import { nodeToolchain } from '../toolchains.ts';
import { installed, isPackageConfiguration, isTestData, type RunnerOf, someFile } from './runner.ts';

const isTest = (file: string): boolean =>
  /\.(test|spec)\.[cm]?[jt]sx?$/.test(file) || /(^|\/)__tests__\/.+\.[cm]?[jt]sx?$/.test(file);

/** The workspace's installed jest, with its configuration. */
export const jest: RunnerOf = async (workspace) => {
  const { root, files, usesRunner } = workspace;
  const tests = files.filter(isTest);
  const isOwn = usesRunner('jest') || (await someFile(workspace, tests, /['"]@jest\/globals['"]/));
  if (tests.length === 0 || !isOwn) return null;
  const packages = installed(root, 'jest');
  const toolchain = nodeToolchain();
  const harness = await readHarness('jest.mjs', 'common.mjs');
  return {
    name: 'jest',
    stripTypes: false,
    isTest,
    isConfiguration: (file) =>
      isTest(file) ||
      isPackageConfiguration(file) ||
      isTestData(file) ||
      /(^|\/)(jest|babel)\.config\.[^/]+$|(^|\/)\.babelrc/.test(file) ||
      /(^|\/)__mocks__\/|(^|\/)[^/]*setup[^/]*\.[cm]?[jt]sx?$/i.test(file),
    version: `${toolchain.version} ${harness.version}`,
    job: (testFiles, coverage) => ({
      job: {
        // Lets jest load ES modules.
        command: [toolchain.program, '--no-warnings', '--experimental-vm-modules', '../kit/jest.mjs'],
        shown: [...toolchain.shown, ...packages],
        environment: { ...toolchain.environment, NODE_ENV: 'test' },
        files: harness.files,
      },
      input: { files: testFiles, coverage },
    }),
  };
};
