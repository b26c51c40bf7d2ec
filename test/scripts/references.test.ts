import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { references } from '../../scripts/references/pages.ts';
import { settings } from '../../src/extension/contributions.ts';
import { tuningSettings } from '../../src/tuning/settings.ts';

const docs = path.join(import.meta.dirname, '..', '..', 'docs');
const pages = await references();

describe('the generated pages of docs', () => {
  for (const [name, text] of Object.entries(pages))
    it(`${name} is up to date (npm run docs)`, async () => {
      assert.equal(await readFile(path.join(docs, name), 'utf8'), text);
    });

  it('list every setting and every hyper-parameter, with a description', () => {
    const sections = pages['settings.md']!.split(/^## /m).slice(1);
    assert.deepEqual(
      sections.map((section) => section.split('`')[1]),
      Object.values(settings).map((name) => (name.startsWith('unmask.') ? name : `unmask.${name}`)),
    );
    for (const name of Object.keys(tuningSettings.shape))
      assert.match(
        pages['hyper-parameters.md']!,
        new RegExp(`^\\| \`${name}\` \\| [^|]+ \\| [^|]+ \\| .{5,} \\|$`, 'm'),
      );
    assert.doesNotMatch(Object.values(pages).join(), /undefined|\[object/);
  });
});
