import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';

const root = path.join(import.meta.dirname, '..', '..');

/** An npm package that the program is installed with, from `package-lock.json`. */
export interface ShippedPackage {
  readonly name: string;
  readonly version: string;
  readonly licence: string;
  /** Whether it has an install script, which does not run. */
  readonly hasInstallScript: boolean;
  readonly optional: boolean;
}

const lockfile = z.looseObject({
  packages: z.record(
    z.string(),
    z.looseObject({
      version: z.string().optional(),
      license: z.string().optional(),
      dev: z.boolean().optional(),
      optional: z.boolean().optional(),
      hasInstallScript: z.boolean().optional(),
    }),
  ),
});

/** The packages that are installed without those for development, sorted by name and version. */
export async function shippedPackages(): Promise<ShippedPackage[]> {
  const { packages } = lockfile.parse(JSON.parse(await readFile(path.join(root, 'package-lock.json'), 'utf8')));
  const shipped = Object.entries(packages)
    .filter(([location, { dev }]) => location !== '' && !dev)
    .map(([location, { version = '', license = 'unknown', optional = false, hasInstallScript = false }]) => ({
      name: location.split('node_modules/').at(-1) as string,
      version,
      licence: license,
      hasInstallScript,
      optional,
    }));
  const byName = new Map(shipped.map((each) => [`${each.name} ${each.version}`, each]));
  return [...byName].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each);
}

/** Whether npm is told not to run install scripts, by `.npmrc`. */
export async function ignoresInstallScripts(): Promise<boolean> {
  return /^ignore-scripts=true$/m.test(await readFile(path.join(root, '.npmrc'), 'utf8'));
}

/** Where the generated part of docs/dependencies.md begins. */
const marker = '<!-- The rest of this page is written by `npm run docs`. -->';

/** docs/dependencies.md with its list of packages up to date. The text before the list is written by hand. */
export async function dependenciesPage(): Promise<string> {
  const written = await readFile(path.join(root, 'docs', 'dependencies.md'), 'utf8');
  const [reasons] = written.split(marker);
  const shipped = await shippedPackages();
  const licences = new Map<string, number>();
  for (const { licence } of shipped) licences.set(licence, (licences.get(licence) ?? 0) + 1);
  const counts = [...licences].sort((a, b) => b[1] - a[1]).map(([licence, count]) => `${licence} ${count}`);
  const scripts = shipped.filter(({ hasInstallScript }) => hasInstallScript).map(({ name }) => name);
  return [
    `${reasons!.trimEnd()}\n`,
    `${marker}\n`,
    '## All packages\n',
    `The program is installed with these ${shipped.length} packages, with their own dependencies. \`npm run dependencies\` prints`,
    `them with known advisories. Licences: ${counts.join(', ')}. Packages with an install script: ${scripts.join(', ')}; none of`,
    'these scripts runs. Optional packages are installed only if they are available for the platform.\n',
    '| package | version | licence | install script | optional |',
    '|---|---|---|---|---|',
    ...shipped.map(
      ({ name, version, licence, hasInstallScript, optional }) =>
        `| ${name} | ${version} | ${licence} | ${hasInstallScript ? 'does not run' : 'none'} | ${optional ? 'yes' : 'no'} |`,
    ),
    '',
  ].join('\n');
}
