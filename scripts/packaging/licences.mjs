import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/**
 * The licence texts of the npm packages whose code is in the bundles, because most licences require it.
 *
 * @param {string} root folder that contains `node_modules`
 * @param {readonly string[]} inputs files in the bundles, relative to the root
 */
export function licencesOf(root, inputs) {
  const folders = new Set(inputs.flatMap((file) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1] ?? []));
  const sections = [...folders].map((folder) => licenceOf(path.join(root, folder)));
  return `${[...new Set(sections)].sort().join('\n\n')}\n`;
}

/** @param {string} folder */
function licenceOf(folder) {
  const { name, version, license, author } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
  const files = readdirSync(folder).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file));
  const texts = files
    .map((file) => path.join(folder, file))
    .filter((file) => existsSync(file))
    .map((file) => readFileSync(file, 'utf8').trim());
  const by = typeof author === 'string' ? author : (author?.name ?? 'its authors');
  const title = `${name} ${version}, ${license}`;
  return [title, '='.repeat(title.length), '', ...(texts.length > 0 ? texts : [`Copyright ${by}.`])].join('\n');
}
