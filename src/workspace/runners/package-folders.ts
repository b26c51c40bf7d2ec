import path from 'node:path';
import type { ShownPath } from '../../sandbox/sandbox.ts';
import { installedPackages, type TestRunner } from './runner.ts';

/** The folders of a monorepo's packages: those with a `package.json`, deepest first, without the workspace itself. */
export const packageFolders = (files: readonly string[]): string[] =>
  files
    .filter((file) => file.endsWith('/package.json'))
    .map((file) => path.posix.dirname(file))
    .sort((first, second) => second.length - first.length);

/** The files of a package, relative to it, without those of packages inside it. */
export function filesOfPackage(files: readonly string[], folder: string, folders: readonly string[]): string[] {
  const inner = folders.filter((other) => other.startsWith(`${folder}/`));
  return files
    .filter((file) => file.startsWith(`${folder}/`) && !inner.some((other) => file.startsWith(`${other}/`)))
    .map((file) => file.slice(folder.length + 1));
}

/** A package's runner as one of the workspace: it runs in the package's folder, with the packages that Node finds there. */
export function inFolder(runner: TestRunner, root: string, folder: string): TestRunner {
  const prefix = `${folder}/`;
  const within = (test: (file: string) => boolean) => (file: string) =>
    file.startsWith(prefix) && test(file.slice(prefix.length));
  const up = '../'.repeat(folder.split('/').length);
  return {
    ...runner,
    isTest: within((file) => runner.isTest(file)),
    isConfiguration: within((file) => runner.isConfiguration(file)),
    ...(runner.suites === undefined
      ? {}
      : {
          suites: (files: readonly string[]) =>
            runner.suites!(
              files.filter((file) => file.startsWith(prefix)).map((file) => file.slice(prefix.length)),
            ).map((suite) => prefix + suite),
        }),
    folderOf: () => folder,
    version: `${runner.version} ${folder}`,
    job(files, coverage) {
      const { job, input } = runner.job(
        files.map((file) => file.slice(prefix.length)),
        coverage,
      );
      const command = job.command.map((part) => part.replaceAll('../kit/', `${up}../kit/`));
      const shown = shownFrom(job.shown ?? [], root, folder);
      return { job: { ...job, shown, command: ['/bin/sh', '-c', 'cd "$0" && exec "$@"', folder, ...command] }, input };
    },
  };
}

/** Packages of a folder are found there, and those of the workspace, to which pnpm's links lead, above it. */
function shownFrom(shown: readonly ShownPath[], root: string, folder: string): ShownPath[] {
  const own = path.join(root, folder, 'node_modules');
  return shown.flatMap((entry) =>
    entry.host === own ? [{ host: own, inside: `work/${folder}/node_modules` }, ...installedPackages(root)] : [entry],
  );
}

/** Several runners of one workspace; each runs its own test files. */
export function severalRunners(runners: readonly TestRunner[]): TestRunner {
  const ownerOf = (file: string): TestRunner =>
    runners.find((runner) => runner.isTest(file)) ?? (runners[0] as TestRunner);
  return {
    name: [...new Set(runners.map(({ name }) => name))].join(', '),
    stripTypes: runners.every(({ stripTypes }) => stripTypes),
    isTest: (file) => runners.some((runner) => runner.isTest(file)),
    isConfiguration: (file) =>
      /(^|\/)package(-lock)?\.json$/.test(file) || runners.some((runner) => runner.isConfiguration(file)),
    reportsCalls: runners.every(({ reportsCalls }) => reportsCalls !== false),
    folderOf: (file) => ownerOf(file).folderOf?.(file) ?? '',
    version: runners.map(({ version }) => version).join(' + '),
    job: (files, coverage) => ownerOf(files[0] as string).job(files, coverage),
  };
}
