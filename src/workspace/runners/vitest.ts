import { readHarness } from '../harness.ts';
import { nodeToolchain } from '../toolchains.ts';
import { installed, isPackageConfiguration, isTestData, type RunnerOf, someFile, type Workspace } from './runner.ts';

const isUsualTest = (file: string): boolean => /\.(test|spec)\.[cm]?[jt]sx?$/.test(file);
const isConfigurationFile = (file: string): boolean => /(^|\/)(vite|vitest)\.(config|workspace)\.[^/]+$/.test(file);

/** The patterns of `test.include`, if the configuration states them as texts. */
const includePattern = /\btest\s*:\s*\{[\s\S]*?\binclude\s*:\s*\[([^\]]*)\]/;

/** Which files are tests: those that the configuration includes, otherwise those with vitest's usual names. */
async function testsOf({ files, read }: Workspace): Promise<(file: string) => boolean> {
  const configuration = files
    .filter((file) => !file.includes('/') && isConfigurationFile(file))
    .sort()
    .at(-1);
  const listed = configuration === undefined ? null : includePattern.exec(await read(configuration));
  const patterns = [...(listed?.[1] ?? '').matchAll(/['"`]([^'"`]+)['"`]/g)].map(([, pattern]) => pattern as string);
  return patterns.length === 0 ? isUsualTest : (file) => patterns.some((pattern) => globToRegExp(pattern).test(file));
}

/** A glob as vitest uses them: `*`, `**`, `?`, `{a,b}`, `?(c)`. */
function globToRegExp(glob: string): RegExp {
  const source = glob
    .replace(/^\.\//, '')
    .replace(/[.+^$|\\]/g, '\\$&')
    .replace(/\?\(([^()]*)\)/g, '\u0001$1\u0002')
    .replace(/\*\*\//g, '\u0003')
    .replace(/\*\*/g, '\u0004')
    .replace(/\*/g, '[^/]*')
    .replace(/\?/g, '[^/]')
    .replace(/\{/g, '(?:')
    .replace(/\}/g, ')')
    .replace(/,/g, '|')
    .replaceAll('\u0001', '(?:')
    .replaceAll('\u0002', ')?')
    .replaceAll('\u0003', '(?:.*/)?')
    .replaceAll('\u0004', '.*');
  return new RegExp(`^${source}$`);
}

/** The workspace's installed vitest, with its configuration except for what the sandbox requires. */
export const vitest: RunnerOf = async (workspace) => {
  const { root, files, usesRunner } = workspace;
  const isTest = await testsOf(workspace);
  const tests = files.filter(isTest);
  const isOwn = usesRunner('vitest') || (await someFile(workspace, tests, /['"]vitest['"]/));
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
      isConfigurationFile(file) ||
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
