import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { inNewFolder } from '../../catalogue/publish-model.ts';
import { resolveModel } from '../../catalogue/resolve-model.ts';
import { openAdapter, openBase } from '../../model/checkpoint.ts';
import { exportAdapter } from '../../model/export-adapter.ts';
import { type ExportType, exportModel, exportTypes, publishedFamily } from '../../model/export-model.ts';
import type { ResolvedModel } from '../../model/resolved-model.ts';
import { count } from '../../platform/amounts.ts';
import { UsageError } from '../../platform/errors.ts';
import { writeJson } from '../../platform/files.ts';
import type { AddCommand } from '../command.ts';

interface ExportOptions {
  readonly model: string;
  readonly out: string;
  readonly dtype: string;
}

export function addExport(add: AddCommand): void {
  add<ExportOptions>(
    'export',
    "Write a model or an adapter in its published family's own layout, for transformers and PEFT",
    async ({ model, out, dtype }, { progress }) => {
      const type = exportTypes.find((one) => one === dtype);
      if (!type) throw new UsageError(`Unknown dtype ${dtype}; the types are ${exportTypes.join(', ')}.`);
      const output = path.resolve(out);
      if ((await readdir(output).catch(() => [])).length > 0)
        throw new UsageError(`${output} is not empty; choose another folder, or remove it.`);
      const resolved = await resolveModel(model);
      if (resolved.adapter && resolved.adapter.base.precision !== 'f32')
        progress(
          `The adapter was trained on a base in ${resolved.adapter.base.precision}; other programs add it to the base as published.`,
        );
      const written = await writeInto(output, resolved, type);
      const what = resolved.adapter ? 'adapter' : 'model';
      return {
        document: { model: resolved.folder, output, kind: what, ...written },
        lines: [
          `${output}: ${what} of the family ${written.family}, ${count(written.tensors, 'tensor')}, ${written.type}`,
        ],
      };
    },
  )
    .argument('<model>', 'model or adapter: a name, a folder or a run directory')
    .requiredOption('--out <folder>', 'the new folder')
    .option('--dtype <type>', `number type of full weights: ${exportTypes.join(', ')}`, 'auto');
}

/** Writes the new folder, of which nothing remains if that fails. */
async function writeInto(output: string, resolved: ResolvedModel, type: ExportType) {
  const base = await openBase(resolved);
  const adapter = await openAdapter(resolved);
  const { architecture, fields } = await publishedFamily(base);
  const family = String(fields.model_type);
  let written = { family, type: 'float32', tensors: 0 };
  await inNewFolder(output, async (temporary) => {
    if (!adapter) {
      written = await exportModel(temporary, base, type);
      return;
    }
    written = { ...written, ...(await exportAdapter(temporary, adapter, base.config, architecture)) };
    // A converted base is decoded as its adapter says.
    if (adapter.base.conversion) await writeJson(path.join(temporary, 'generation_config.json'), base.generation);
  });
  return written;
}
