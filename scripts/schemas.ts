// Writes docs/schemas from the records that src/runs checks: node --import tsx scripts/schemas.ts
import path from 'node:path';
import { writeAtomic } from '../src/platform/files.ts';
import { jsonSchemas } from '../src/runs/json-schemas.ts';

const folder = path.join(import.meta.dirname, '..', 'docs', 'schemas');
for (const [name, text] of Object.entries(jsonSchemas())) await writeAtomic(path.join(folder, name), text);
