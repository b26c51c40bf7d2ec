import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { inNewFolder } from '../../catalogue/publish-model.ts';
import { resolveModel } from '../../catalogue/resolve-model.ts';
import { readCheckpoint, writeCheckpoint } from '../../model/checkpoint.ts';
import { assertMemory } from '../../model/memory.ts';
import { bytesOfMerge, mergeAdapter } from '../../model/merge-adapter.ts';
import { UsageError, UserError } from '../../platform/errors.ts';
import { writeAtomic } from '../../platform/files.ts';
import { packageVersion } from '../../platform/package-root.ts';
import { copyRecordedSplit } from '../../runs/recorded-split.ts';
import { type AddCommand, type EngineOptions, engineOf, withEngine } from '../command.ts';
import { outputFolder } from '../output-folder.ts';

interface MergeOptions extends EngineOptions {
  readonly adapter: string;
  readonly model: string;
}

export function addMerge(add: AddCommand): void {
  withEngine(
    add<MergeOptions>(
      'merge',
      'Merge an adapter into its base, which gives a model with full weights',
      async (options) => {
        const resolved = await resolveModel(options.adapter);
        const { folder, config, adapter } = resolved;
        if (!adapter) throw new UserError(`${folder} has full weights; give an adapter, or a run that trained one.`);
        const output = outputFolder(options.model);
        if ((await readdir(output).catch(() => [])).length > 0)
          throw new UsageError(`${output} is not empty; choose another folder, or remove it.`);
        assertMemory(bytesOfMerge({ config, adapter }));
        const merged = await mergeAdapter(await engineOf(options), await readCheckpoint(resolved));
        const { name: base } = adapter.base;
        await inNewFolder(output, async (temporary) => {
          await writeAtomic(path.join(temporary, 'README.md'), cardOf(path.basename(output), base, folder));
          await writeCheckpoint(temporary, merged);
          await copyRecordedSplit(folder, temporary);
        });
        const document = { model: output, adapter: folder, base };
        return { document, lines: [`model: ${output}`] };
      },
    ),
  )
    .argument('<adapter>', 'adapter: a name, an adapter folder or a run directory')
    .requiredOption('--model <output>', 'the new model: a folder, or a name in the data home');
}

const cardOf = (name: string, base: string, adapter: string): string =>
  `---\nlibrary_name: unmask\ntags: [masked-diffusion]\nbase_model: ${base}\n---\n\n# ${name}\n\n${base} with the adapter ${adapter} merged into it by unmask ${packageVersion()}.\n`;
