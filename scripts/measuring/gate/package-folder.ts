import { existsSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import path from 'node:path';
import { extract } from 'tar';
import { sourcesFolder } from '../../../src/training/code/code-recipe.ts';
import { fetchByNpm } from '../../../src/training/code/fetch-package.ts';

/** The folder with an unpacked npm package, `name@version`, fetched once with `npm pack`. Nothing of the package is run. */
export async function packageFolder(spec: string): Promise<string> {
  const name = spec.replace(/^@/, '').replace('/', '-').replace('@', '-');
  const folder = path.join(sourcesFolder(), name);
  if (existsSync(folder)) return folder;
  await mkdir(sourcesFolder(), { recursive: true });
  const archive = `${folder}.tgz`;
  if (!existsSync(archive)) await fetchByNpm(spec, archive);
  const unfinished = `${folder}.${process.pid}`;
  await mkdir(unfinished);
  await extract({ file: archive, cwd: unfinished, strip: 1 });
  await rename(unfinished, folder);
  return folder;
}
