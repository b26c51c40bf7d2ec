import { readHarness } from '../harness.ts';
import { nodeToolchain } from '../toolchains.ts';
import { installedPackages, isPackageConfiguration, isTestData, type RunnerOf, someFile } from './runner.ts';

const isTest = (file: string): boolean =>
  /(\.|-|_)test\.[cm]?[jt]s$/.test(file) ||
  /(^|\/)test-[^/]+\.[cm]?[jt]s$/.test(file) ||
  /(^|\/)test\/[^/]+\.[cm]?[jt]s$/.test(file);

/** Node's own runner. Other runners use the same file names, so an import of node:test decides. */
export const nodeTest: RunnerOf = async (workspace) => {
  const { root, files, scripts } = workspace;
  if (!(await someFile(workspace, files.filter(isTest), /['"]node:test['"]/))) return null;
  // The modules that the script preloads, usually a loader for TypeScript.
  const flags = [
    ...scripts.matchAll(/--(?:import|require|loader|experimental-loader|conditions)[= ]\S+|--experimental-\S+/g),
  ]
    .map(([flag]) => flag)
    .concat(/(^|\s)tsx\s/.test(scripts) ? ['--import tsx'] : []);
  // Stripping types in Node would take longer than the rest of a run.
  const stripTypes = flags.length === 0;
  const toolchain = nodeToolchain();
  const harness = await readHarness('node-test.mjs', 'node-test-reporter.mjs', 'common.mjs');
  return {
    name: 'node:test',
    stripTypes,
    isTest,
    isConfiguration: (file) => isTest(file) || isPackageConfiguration(file) || isTestData(file),
    version: `${toolchain.version} ${flags.join(' ')} ${harness.version}`,
    job: (testFiles, coverage) => ({
      job: {
        command: [
          toolchain.program,
          '--no-warnings',
          ...flags.flatMap((flag) => flag.split(' ')),
          '--test-reporter=../kit/node-test-reporter.mjs',
          '--test-reporter-destination=stderr',
          '../kit/node-test.mjs',
        ],
        shown: [...toolchain.shown, ...installedPackages(root)],
        environment: toolchain.environment,
        files: harness.files,
      },
      input: { files: testFiles, coverage, plainTypeScript: stripTypes },
    }),
  };
};
