// Writes the generated pages of docs: npm run docs. test/scripts/references.test.ts checks that they are up to date.
import path from 'node:path';
import { writeAtomic } from '../src/platform/files.ts';
import { jsonSchemas } from '../src/runs/json-schemas.ts';
import { references } from './references/pages.ts';

const docs = path.join(import.meta.dirname, '..', 'docs');
for (const [name, text] of Object.entries(jsonSchemas())) await writeAtomic(path.join(docs, 'schemas', name), text);
for (const [name, text] of Object.entries(await references())) await writeAtomic(path.join(docs, name), text);
