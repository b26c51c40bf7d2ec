import path from 'node:path';
import { createInterface } from 'node:readline/promises';
import { text } from 'node:stream/consumers';
import { addFolder } from '../../hub/add-folder.ts';
import { addFromHub, offerOf } from '../../hub/add-from-hub.ts';
import { addGguf } from '../../hub/add-gguf.ts';
import { readCard } from '../../hub/card.ts';
import { hubSettings } from '../../hub/hub-client.ts';
import { loadable } from '../../hub/loadable.ts';
import { removable, removeModel } from '../../hub/remove-model.ts';
import { inFolder } from '../../model/architectures/description.ts';
import { isAutoregressive } from '../../model/config.ts';
import { findModel } from '../../model/find-model.ts';
import { fitText, size } from '../../platform/amounts.ts';
import { readProgressLine } from '../../platform/download-progress.ts';
import { Interrupted, UsageError, UserError } from '../../platform/errors.ts';
import { exists } from '../../platform/files.ts';
import { isPath, parseHubId } from '../../platform/model-name.ts';
import type { ModelOffer } from '../../protocol/models.ts';
import type { ModelSummary } from '../../protocol/runtime.ts';
import { installedModel, listModels } from '../../runtime/list-models.ts';
import type { AddCommand, CommandContext, CommandResult } from '../command.ts';

interface ModelsOptions {
  readonly action: string;
  readonly model?: string;
  readonly name?: string;
  readonly force?: boolean;
  readonly replace?: boolean;
  readonly dryRun?: boolean;
  readonly tokenStdin?: boolean;
  readonly yes?: boolean;
}

type Action = (options: ModelsOptions, context: CommandContext) => Promise<CommandResult>;

const actions: Readonly<Record<string, Action>> = { list: listed, add: added, remove: removed, card: shown };
const names = Object.keys(actions).join(', ');

export function addModels(add: AddCommand): void {
  add<ModelsOptions>(
    'models',
    'List the models that can be used, add one from the Hugging Face hub, a folder or a GGUF file, remove one, or show its card',
    async (options, context) => {
      const action = Object.hasOwn(actions, options.action) ? actions[options.action] : undefined;
      if (!action) throw new UsageError(`Unknown action ${options.action}; the actions are ${names}.`);
      return action(options, context);
    },
  )
    .argument('[action]', names, 'list')
    .argument('[model]', 'name of a model; for add OWNER/NAME[@REVISION] on the hub, a folder (./DIR), or a GGUF file')
    .option('--name <name>', 'of a folder or a file that is added: what it is called here (default: its own name)')
    .option('--force', 'add a model that cannot be loaded, too')
    .option('--replace', 'let the revision that is added take the place of the one that is installed')
    .option('--dry-run', 'say what would be downloaded, with size and licence, and download nothing')
    .option('--token-stdin', 'read a Hugging Face token from stdin (default: the environment variable HF_TOKEN)')
    .option('--yes', 'remove without asking');
}

function named({ action, model }: ModelsOptions): string {
  if (model === undefined)
    throw new UsageError(`unmask models ${action} needs a model; \`unmask models list\` names those that are there.`);
  return model;
}

async function listed(): Promise<CommandResult> {
  const models = await listModels();
  return { document: { models }, lines: models.map(line) };
}

function line({ name, kind, parameters, bytes, licence, memory, revision, problem }: ModelSummary): string {
  const facts = [
    parameters === null ? 'unknown size' : `${(parameters / 1e6).toFixed(1)} million parameters`,
    size(bytes),
    licence ?? 'no licence named',
    ...(revision === null ? [] : [`at ${revision.slice(0, 12)}`]),
    problem === null ? fitText(memory) : 'cannot be loaded',
  ];
  return `${name.padEnd(44)} ${kind.padEnd(10)} ${facts.join(', ')}`;
}

async function added(options: ModelsOptions, context: CommandContext): Promise<CommandResult> {
  const { force = false, replace = false, dryRun = false } = options;
  const given = named(options);
  if (/\.gguf$/i.test(given)) {
    if (dryRun || force)
      throw new UsageError('--dry-run and --force are for the hub and for folders, not for GGUF files.');
    const file = path.resolve(given);
    const name = options.name ?? path.basename(file).replace(/\.gguf$/i, '');
    return installed(name, await addGguf({ file, name, signal: context.signal, progress: context.progress }));
  }
  if (await isFolder(given)) {
    if (dryRun) throw new UsageError('--dry-run looks up a model of the hub; a folder is there to be looked at.');
    const folder = path.resolve(given);
    const name = options.name ?? path.basename(folder);
    return installed(name, await addFolder({ folder, name, force, signal: context.signal }));
  }
  const wanted = parseHubId(given);
  if (options.name !== undefined)
    throw new UsageError('--name is for folders and files; a model of the hub keeps its id.');
  const token = options.tokenStdin ? await tokenFromStdin() : null;
  const hub = hubSettings(process.env, context.signal, token);
  if (dryRun) {
    const model = await offerOf(wanted, hub);
    return { document: { model }, lines: [offerLine(model), ...(model.problem === null ? [] : [model.problem])] };
  }
  const progress = inPlace(context);
  const onOffer = (offer: ModelOffer) => progress(offerLine(offer));
  return installed(wanted.id, await addFromHub({ wanted, hub, force, replace, progress, onOffer }));
}

/** A folder is named by a path, as `./models`; what has an owner is looked for on the hub. */
async function isFolder(given: string): Promise<boolean> {
  if (isPath(given)) return true;
  return given !== '' && !given.includes('/') && (await exists(path.resolve(given)));
}

async function tokenFromStdin(): Promise<string> {
  const token = (await text(process.stdin)).trim();
  if (token === '') throw new UsageError('--token-stdin found no token on stdin.');
  return token;
}

function offerLine({ name, revision, bytes, licence, gated, parameters, memory }: ModelOffer): string {
  return [
    `${name} at ${revision.slice(0, 12)}: ${size(bytes)}`,
    licence === null ? 'no licence named' : `licence ${licence}`,
    ...(gated ? ['its terms must be accepted on the hub'] : []),
    ...(parameters === null ? [] : [`${(parameters / 1e6).toFixed(1)} million parameters`]),
    fitText(memory),
  ].join(', ');
}

/** On a terminal, a line of progress takes the place of the one before. */
function inPlace({ json, progress }: CommandContext): (line: string) => void {
  let before = false;
  return (told) => {
    const now = !json && process.stderr.isTTY && readProgressLine(told) !== null;
    progress(now && before ? `\x1b[1A\x1b[2K${told}` : told);
    before = now;
  };
}

async function installed(name: string, folder: string): Promise<CommandResult> {
  const model = await installedModel(name, folder);
  if (!model) throw new UserError(`${folder} was removed by somebody else meanwhile; add ${name} again.`);
  return {
    document: { model },
    lines: [line(model), `${name} is installed in ${folder}; ${await use(name, folder)}.`],
  };
}

/** What a model is good for. */
async function use(name: string, folder: string): Promise<string> {
  const { config } = await loadable(inFolder(folder));
  return config && isAutoregressive(config)
    ? `it is an autoregressive model, a baseline for \`infill-eval --autoregressive ${name}\` or the start of a conversion`
    : `--model ${name} uses it, and Unmask: Select Model in VS Code`;
}

async function removed(options: ModelsOptions, context: CommandContext): Promise<CommandResult> {
  const name = named(options);
  const folder = await removable(name);
  if (!options.yes) await confirm(`Remove ${name} (${folder})?`, context);
  await removeModel(name);
  return { document: { removed: name, models: await listModels() }, lines: [`${name} is removed.`] };
}

/** Asks on the terminal; throws where there is none to ask on, or the answer is no. */
async function confirm(question: string, { signal, json }: CommandContext): Promise<void> {
  if (json || !process.stdin.isTTY) throw new UsageError(`${question} Say --yes; nothing was removed.`);
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(`${question} [y/N] `, { signal });
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
  return { document: { model, folder, licence, card }, lines: [card.trimEnd()] };
}
