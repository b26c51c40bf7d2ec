import path from 'node:path';
import { text } from 'node:stream/consumers';
import { addFolder } from '../catalogue/add-folder.ts';
import { addFromHub, offerOf } from '../catalogue/add-from-hub.ts';
import { addGguf } from '../catalogue/add-gguf.ts';
import { addHubGguf } from '../catalogue/add-hub-gguf.ts';
import { findModel } from '../catalogue/find-model.ts';
import { hubSettings } from '../catalogue/hub-client.ts';
import { installedModel } from '../catalogue/list-models.ts';
import { assertLoadable, loadable } from '../catalogue/loadable.ts';
import { type PublishedBase, publishedBase } from '../catalogue/published-bases.ts';
import { resolveModel } from '../catalogue/resolve-model.ts';
import { keepSuggestionTime } from '../catalogue/suggestion-times.ts';
import { tryModel } from '../catalogue/try-model.ts';
import { completesCode } from '../diffusion/infill.ts';
import { checkPrecision } from '../evaluation/check-precision.ts';
import { isAdapter } from '../model/adapter-folder.ts';
import { inFolder } from '../model/architectures/description.ts';
import { isAutoregressive } from '../model/config.ts';
import { loadForInference } from '../model/load-served.ts';
import { parametersOf } from '../model/memory.ts';
import { count, fitText, size, suggestionTimeText } from '../platform/amounts.ts';
import { readProgressLine } from '../platform/download-progress.ts';
import { messageOf, UsageError, UserError } from '../platform/errors.ts';
import { exists } from '../platform/files.ts';
import { installedName, isPath, parseHubId } from '../platform/model-name.ts';
import type { ModelOffer, ModelTrial } from '../protocol/models.ts';
import type { ModelSummary } from '../protocol/runtime.ts';
import { timeSuggestion } from '../runtime/time-suggestion.ts';
import { type CommandContext, type CommandResult, engineOf } from './command.ts';

/** The options of `unmask models`. */
export interface ModelsOptions {
  readonly action: string;
  readonly model?: string;
  readonly name?: string;
  readonly force?: boolean;
  readonly replace?: boolean;
  readonly dryRun?: boolean;
  readonly subfolder?: string;
  readonly tokenStdin?: boolean;
  readonly yes?: boolean;
}

/** The model that the action needs. */
export function named({ action, model }: ModelsOptions): string {
  if (model === undefined)
    throw new UsageError(
      action === 'add'
        ? 'unmask models add needs a model: OWNER/NAME on the hub, a folder (./DIR) or a GGUF file.'
        : `unmask models ${action} needs a model; \`unmask models list\` lists them.`,
    );
  return model;
}

/** A model in one line. */
export function modelLine({
  name,
  kind,
  parameters,
  bytes,
  licence,
  memory,
  revision,
  problem,
  ...rest
}: ModelSummary): string {
  const { missing_base: base, suggestion_milliseconds: time } = rest;
  const unusable = base ? `needs ${base.name}, ${size(base.bytes)} to download` : 'cannot be loaded';
  const facts = [
    parameters === null ? 'unknown size' : `${(parameters / 1e6).toFixed(1)} million parameters`,
    size(bytes),
    licence ?? 'no licence named',
    ...(revision === null ? [] : [`at ${revision.slice(0, 12)}`]),
    problem === null ? fitText(memory) : unusable,
    ...(time === undefined ? [] : [suggestionTimeText(time)]),
  ];
  return `${name.padEnd(44)} ${kind.padEnd(10)} ${facts.join(', ')}`;
}

/** Adds a model from the hub, a folder or a GGUF file, or the base of a bundled adapter. */
export async function added(options: ModelsOptions, context: CommandContext): Promise<CommandResult> {
  const { force = false, replace = false, dryRun = false } = options;
  const model = named(options);
  const base = publishedBase(model);
  if (base) return addedBase(base, options, context);
  const isHere = isPath(model) || (await exists(path.resolve(model)));
  if (!isHere && /^[^/]+\/.+\/[^/]+\.gguf(@.+)?$/i.test(model)) return addedHubFile(model, options, context);
  const isFile = /\.gguf$/i.test(model);
  if (options.subfolder !== undefined && (isFile || (await isFolder(model))))
    throw new UsageError('--subfolder is for models on the hub; give the path of the folder itself instead.');
  if (isFile) {
    if (dryRun || force) throw new UsageError('--dry-run and --force do not work with GGUF files; leave them out.');
    const file = path.resolve(model);
    const name = options.name ?? path.basename(file).replace(/\.gguf$/i, '');
    const { signal, progress } = context;
    const trial = new Trial(false, context);
    return addedModel(name, await addGguf({ file, name, signal, progress, accept: trial.accept }), trial, context);
  }
  if (await isFolder(model)) {
    if (dryRun) throw new UsageError('--dry-run works with models on the hub only; leave it out for a folder.');
    const folder = path.resolve(model);
    const name = options.name ?? path.basename(folder);
    const trial = new Trial(force, context);
    const { accept } = trial;
    return addedModel(name, await addFolder({ folder, name, force, signal: context.signal, accept }), trial, context);
  }
  const [place, ...revision] = model.split('@');
  const where = options.subfolder === undefined ? place : `${place}/${options.subfolder.replace(/\/+$/, '')}`;
  const hubId = parseHubId([where, ...revision].join('@'));
  if (options.name !== undefined)
    throw new UsageError('--name is for folders and files; a model from the hub keeps its id.');
  const token = options.tokenStdin ? await tokenFromStdin() : null;
  const hub = hubSettings(process.env, context.signal, token);
  if (dryRun) {
    const model = await offerOf(hubId, hub);
    return { document: { model }, lines: [offerLine(model), ...(model.problem === null ? [] : [model.problem])] };
  }
  const progress = inPlace(context);
  const onOffer = (offer: ModelOffer) => progress(offerLine(offer));
  const trial = new Trial(force, context);
  const folder = await addFromHub({ hubId, hub, force, replace, progress, onOffer, accept: trial.accept });
  return addedModel(installedName(hubId), folder, trial, context);
}

/** Adds the published base of a bundled adapter, and chooses the precision in which it is served. */
async function addedBase(base: PublishedBase, options: ModelsOptions, context: CommandContext): Promise<CommandResult> {
  const { name, adapter, bytes, licence, hubId, file } = base;
  if (options.name !== undefined || options.force)
    throw new UsageError(`--name and --force do not work with ${name}, the base of ${adapter}; leave them out.`);
  if (options.dryRun) {
    const facts = `${name}, the base of ${adapter}: ${size(bytes)}, licence ${licence}, from ${hubId.id}/${file}`;
    return { document: { base: { name, bytes, licence } }, lines: [facts] };
  }
  const token = options.tokenStdin ? await tokenFromStdin() : null;
  const hub = hubSettings(process.env, context.signal, token);
  const trial = new Trial(false, context);
  const { sha256 } = base;
  const folder = await addHubGguf({ hubId, file, sha256, name, hub, progress: inPlace(context), accept: trial.accept });
  const added = await addedModel(name, folder, trial, context, await findModel(adapter));
  return { ...added, lines: [...added.lines, `${adapter} can be used now.`] };
}

/** Adds OWNER/NAME[/FOLDER]/FILE.gguf[@REVISION] from the hub. */
async function addedHubFile(model: string, options: ModelsOptions, context: CommandContext): Promise<CommandResult> {
  if (options.dryRun || options.force)
    throw new UsageError('--dry-run and --force do not work with GGUF files; leave them out.');
  const [place, ...revision] = model.split('@') as [string, ...string[]];
  const parts = place.split('/');
  const file = parts.pop() as string;
  const hubId = parseHubId([parts.join('/'), ...revision].join('@'));
  const name = options.name ?? file.replace(/\.gguf$/i, '');
  const token = options.tokenStdin ? await tokenFromStdin() : null;
  const hub = hubSettings(process.env, context.signal, token);
  const trial = new Trial(false, context);
  const request = { hubId, file, sha256: null, name, hub, progress: inPlace(context), accept: trial.accept };
  return addedModel(name, await addHubGguf(request), trial, context);
}

/** Opens a model before it is added, and keeps what was found. */
class Trial {
  readonly #force: boolean;
  readonly #context: CommandContext;
  found: ModelTrial | null = null;

  constructor(force: boolean, context: CommandContext) {
    this.#force = force;
    this.#context = context;
  }

  readonly accept = async (folder: string): Promise<void> => {
    const { signal, progress } = this.#context;
    const engine = await engineOf({ engine: 'onnx', device: 'cpu' });
    this.found = await tryModel(folder, { engine, signal, progress });
    assertLoadable(this.found, this.#force);
  };

  /** Sentences about the trial: the checks that passed, and the problem if there is one. */
  get lines(): string[] {
    if (this.found === null) return [];
    const { problem, layers, of, warnings } = this.found;
    if (problem !== null) return [`It was added because of --force, but it cannot be used: ${problem}`];
    const passed =
      layers === of ? `all ${count(of, 'layer')}` : `the first ${layers} of ${of} layers, because of the memory`;
    const tried = `It was tried: finite weights, a text encoded and decoded, a forward pass through ${passed}.`;
    return [tried, ...warnings.map((warning) => `Warning: ${warning}`)];
  }
}

/** Whether the argument of `add` is a folder: a path such as `./models`, or the name of an existing folder without a slash. */
async function isFolder(name: string): Promise<boolean> {
  if (isPath(name)) return true;
  return name !== '' && !name.includes('/') && (await exists(path.resolve(name)));
}

async function tokenFromStdin(): Promise<string> {
  const token = (await text(process.stdin)).trim();
  if (token === '') throw new UsageError('--token-stdin needs a token on stdin, but stdin was empty.');
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

/** On a terminal, each line of progress replaces the previous one. */
function inPlace({ json, progress }: CommandContext): (line: string) => void {
  let before = false;
  return (message) => {
    const now = !json && readProgressLine(message) !== null;
    progress(message, { replacesLast: now && before });
    before = now;
  };
}

/** Smaller models are fast enough in f32, so they are not checked when they are added. */
const checkedParameters = 50e6;

/**
 * Checks at which precision a new model can be served, and measures how long a suggestion takes. The model can be used without
 * them, so a failure is only reported. `served`: the folder of the model whose suggestions are timed, if it is an adapter for the
 * new model.
 */
async function addedModel(
  name: string,
  folder: string,
  trial: Trial,
  context: CommandContext,
  served = folder,
): Promise<CommandResult> {
  const { config } = await loadable(inFolder(folder));
  if (config && !trial.found?.problem) {
    const { signal, progress } = context;
    const engine = await engineOf({ engine: 'onnx', device: 'cpu' });
    const attempt = async (work: () => Promise<void>, failed: string) => {
      if (signal.aborted) return;
      await work().catch((error: unknown) =>
        progress(`${failed}: ${signal.aborted ? 'It was stopped.' : messageOf(error)}`),
      );
    };
    // An adapter is served in the form that was chosen for its base.
    if (!(await isAdapter(folder)) && parametersOf(config) >= checkedParameters) {
      progress(
        `Checking at which precision ${name} can be served. This takes a few minutes; you can use the model meanwhile.`,
      );
      await attempt(async () => {
        const { chosen } = await checkPrecision(engine, await resolveModel(folder), { progress, signal });
        progress(`${name} is served as ${chosen} on this machine.`);
      }, `${name} is served as f32, because the check failed; to check it, run \`unmask models check ${name}\``);
    }
    if (served !== folder || completesCode(config))
      await attempt(async () => void (await measured(served, context)), 'The time of a suggestion was not measured');
  }
  const { document, lines } = await installed(name, folder);
  const found = trial.found === null ? {} : { trial: trial.found };
  return { document: { ...(document as object), ...found }, lines: [...lines, ...trial.lines] };
}

/** Measures how many milliseconds a suggestion by a model takes as it is served, and keeps the result for lists of models. */
export async function measured(folder: string, { signal, progress }: CommandContext): Promise<number> {
  progress('Measuring how long a suggestion takes.');
  const engine = await engineOf({ engine: 'onnx', device: 'cpu' });
  const model = await loadForInference(engine, await resolveModel(folder));
  try {
    const milliseconds = await timeSuggestion(model, signal);
    await keepSuggestionTime(folder, milliseconds);
    return milliseconds;
  } finally {
    await model.dispose();
  }
}

/** Describes a model that was just installed. */
export async function installed(name: string, folder: string): Promise<CommandResult> {
  const model = await installedModel(name, folder);
  if (!model) throw new UserError(`${folder} was removed by another process; add ${name} again.`);
  return {
    document: { model },
    lines: [modelLine(model), `${name} is installed in ${folder}. ${await usage(name, folder)}`],
  };
}

/** How to use an installed model. */
async function usage(name: string, folder: string): Promise<string> {
  const { config } = await loadable(inFolder(folder));
  return config && isAutoregressive(config)
    ? `This is an autoregressive model: use it as a baseline with \`infill-eval --autoregressive ${name}\`, or as the start of a conversion.`
    : `Use it with --model ${name}, or with Unmask: Select Model in VS Code.`;
}
