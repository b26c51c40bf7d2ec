import { readHarness } from '../harness.ts';
import { nodeToolchain } from '../toolchains.ts';
import { installed, isPackageConfiguration, isTestData, type RunnerOf, someFile } from './runner.ts';

const isTest = (file: string): boolean => /\.(test|spec)\.[cm]?[jt]sx?$/.test(file);

/** The workspace's installed vitest, with its configuration except for what the sandbox requires. */
export const vitest: RunnerOf = async (workspace) => {
  const { root, files, scripts } = workspace;
  const tests = files.filter(isTest);
  const isOwn = /\bvitest\b/.test(scripts) || (await someFile(workspace, tests, /['"]vitest['"]/));
  if (tests.length === 0 || !isOwn) return null;
  const packages = installed(root, 'vitest');
  const toolchain = nodeToolchain();
  const harness = await readHarness('vitest.mjs', 'vitest-runner.mjs', 'common.mjs');
  return {
    name: 'vitest',
    stripTypes: false,
    isTest,
    isConfiguration: (file) =>
      isTest(file) ||
      isPackageConfiguration(file) ||
      isTestData(file) ||
      /(^|\/)(vite|vitest)\.(config|workspace)\.[^/]+$/.test(file) ||
      /(^|\/)(tests?|__tests__|__mocks__)\//.test(file) ||
      /(^|\/)[^/]*setup[^/]*\.[cm]?[jt]sx?$/i.test(file),
    version: `${toolchain.version} ${harness.version}`,
    job: (testFiles, coverage) => ({
      job: {
        command: [toolchain.program, '--no-warnings', '../kit/vitest.mjs'],
        shown: [...toolchain.shown, ...packages],
        environment: { ...toolchain.environment, NODE_ENV: 'test' },
        files: harness.files,
      },
      input: { files: testFiles, coverage },
    }),
  };
};
