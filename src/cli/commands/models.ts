import path from 'node:path';
import { createInterface } from 'node:readline/promises';
import { readCard } from '../../catalogue/card.ts';
import { findModel, modelsFolder } from '../../catalogue/find-model.ts';
import { keepModel } from '../../catalogue/keep-model.ts';
import { listModels } from '../../catalogue/list-models.ts';
import { removable, removeModel } from '../../catalogue/remove-model.ts';
import { resolveModel } from '../../catalogue/resolve-model.ts';
import { completesCode } from '../../diffusion/infill.ts';
import { checkPrecision } from '../../evaluation/check-precision.ts';
import { chatTemplateSource } from '../../model/chat-template.ts';
import { listCachedWeights, weightCacheFolder } from '../../model/weight-cache.ts';
import { size, suggestionTimeText } from '../../platform/amounts.ts';
import { Interrupted, UsageError, UserError } from '../../platform/errors.ts';
import { dataHome } from '../../platform/files.ts';
import { printableLine } from '../../protocol/printable.ts';
import { findRun } from '../../runs/directory.ts';
import { added, installed, type ModelsOptions, measured, modelLine, named } from '../add-model.ts';
import {
  type ActionsOfOptions,
  type AddCommand,
  type CommandContext,
  type CommandResult,
  engineOf,
  refuseOtherActions,
} from '../command.ts';

type Action = (options: ModelsOptions, context: CommandContext) => Promise<CommandResult>;

const actions: Readonly<Record<string, Action>> = {
  list: listed,
  add: added,
  keep: kept,
  remove: removed,
  card: shown,
  check: checked,
};
const names = Object.keys(actions).join(', ');

const actionsOf: ActionsOfOptions = {
  '--name': ['add', 'keep'],
  '--force': ['add'],
  '--replace': ['add'],
  '--subfolder': ['add'],
  '--dry-run': ['add'],
  '--token-stdin': ['add'],
  '--yes': ['remove'],
};

export function addModels(add: AddCommand): void {
  add<ModelsOptions>(
    'models',
    'List the available models, add one from the Hugging Face hub, a folder or a GGUF file, keep one from a run, remove one, show its card, or check at which precision it can be served',
    async (options, context) => {
      const action = Object.hasOwn(actions, options.action) ? actions[options.action] : undefined;
      if (!action) throw new UsageError(`Unknown action ${options.action}; the actions are ${names}.`);
      refuseOtherActions({ command: 'models', action: options.action, argument: options.model }, actionsOf, context);
      return action(options, context);
    },
  )
    .argument('[action]', names, 'list')
    .argument(
      '[model]',
      'name of a model; for add: OWNER/NAME[/FOLDER][@REVISION] on the hub, a GGUF file in such a place, a folder (./DIR), a GGUF file, or a bundled adapter whose base is not installed; for keep: a run',
    )
    .option(
      '--name <name>',
      'for keep, and for add with a folder or a file: the name of the model (default: the name of the folder or file)',
    )
    .option('--force', 'add a model even if it cannot be loaded')
    .option('--replace', 'replace another installed revision of the model, or its damaged files')
    .option('--subfolder <folder>', 'for add: the folder of the hub repository that holds the model or the adapter')
    .option('--dry-run', 'describe what would be downloaded, with size and licence, but download nothing')
    .option('--token-stdin', 'read a Hugging Face token from stdin (default: the environment variable HF_TOKEN)')
    .option('--yes', 'remove without confirmation');
}

async function listed(): Promise<CommandResult> {
  const models = await listModels();
  const cached = await listCachedWeights();
  const bytes = cached.reduce((sum, one) => sum + one.bytes, 0);
  const files = cached.length === 1 ? '1 file' : `${cached.length} files`;
  const cache = `Cached weights: ${files}, ${size(bytes)}, in ${weightCacheFolder()}. They are made again if you remove them.`;
  if (cached.length === 0) return { document: { models }, lines: models.map(modelLine) };
  const cached_weights = { folder: weightCacheFolder(), files: cached.length, bytes };
  return { document: { models, cached_weights }, lines: [...models.map(modelLine), cache] };
}

async function checked(options: ModelsOptions, context: CommandContext): Promise<CommandResult> {
  const { progress, signal } = context;
  const model = named(options);
  const engine = await engineOf({ engine: 'onnx', device: 'cpu' });
  const resolved = await resolveModel(model);
  const { rows, chosen } = await checkPrecision(engine, resolved, { progress, signal });
  const milliseconds = completesCode(resolved.config) ? await measured(resolved.folder, context) : null;
  return {
    document: {
      model,
      rows: rows.map((row) => ({ ...row, chosen: row.form === chosen })),
      chosen,
      ...(milliseconds === null ? {} : { suggestion_milliseconds: Math.round(milliseconds) }),
    },
    lines: [
      'form          KL, nats  agreement  ms per pass',
      ...rows.map(({ form, kl, agreement, milliseconds }) =>
        [
          form.padEnd(12),
          kl.toFixed(4).padStart(9),
          agreement.toFixed(3).padStart(10),
          milliseconds.toFixed(1).padStart(12),
        ].join(' '),
      ),
      `${model} is served as ${chosen} on this machine${milliseconds === null ? '' : `, ${suggestionTimeText(milliseconds)}`}.`,
    ],
  };
}

async function removed(options: ModelsOptions, context: CommandContext): Promise<CommandResult> {
  const name = named(options);
  const folder = await removable(name);
  if (!options.yes) await confirm(`Remove ${name} (${folder})?`, context);
  await removeModel(name);
  return { document: { removed: name, models: await listModels() }, lines: [`${name} was removed.`] };
}

async function kept({ model: run, name }: ModelsOptions): Promise<CommandResult> {
  if (run === undefined || name === undefined)
    throw new UsageError('unmask models keep needs a run and --name with the name of the model.');
  const dir = await findRun(path.join(dataHome(), 'runs'), run);
  return installed(name, await keepModel(dir, modelsFolder(), name));
}

/** Asks on the terminal. Throws if there is no terminal or the answer is no. */
async function confirm(question: string, { signal, json }: CommandContext): Promise<void> {
  if (json || !process.stdin.isTTY) throw new UsageError(`${question} Nothing was removed; confirm with --yes.`);
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(`${printableLine(question)} [y/N] `, { signal });
    if (!/^y(es)?$/i.test(answer.trim())) throw new Interrupted('Nothing was removed.');
  } catch (error) {
    throw signal.aborted ? new Interrupted('Nothing was removed.') : error;
  } finally {
    terminal.close();
  }
}

async function shown(options: ModelsOptions): Promise<CommandResult> {
  const model = named(options);
  const folder = await findModel(model);
  const { text: card, licence } = await readCard(folder);
  if (card === '') throw new UserError(`The model ${model} has no card: ${folder} holds no README.md.`);
  const { file, isIgnored } = await chatTemplateSource(folder);
  const ignored = isIgnored ? '; the different one in tokenizer_config.json is not used' : '';
  return {
    document: { model, folder, licence, chat_template: file, card },
    lines: [...card.trimEnd().split('\n'), ...(file === null ? [] : ['', `Chat template: ${file}${ignored}.`])],
  };
}
