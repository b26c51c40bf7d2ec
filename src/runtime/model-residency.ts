import { stat } from 'node:fs/promises';
import path from 'node:path';
import { readCard } from '../catalogue/card.ts';
import { findModel } from '../catalogue/find-model.ts';
import { resolveModel } from '../catalogue/resolve-model.ts';
import { completesCode } from '../diffusion/infill.ts';
import { chooseEngine } from '../engine/devices.ts';
import type { Engine } from '../engine/engine.ts';
import { openAdapter, openBase } from '../model/checkpoint.ts';
import { assertDenoises, type ModelConfig } from '../model/config.ts';
import type { SuggestionGate } from '../model/generation.ts';
import type { LanguageModel } from '../model/language-model.ts';
import { isServedMerged, loadMerged, loadServedBase } from '../model/load-served.ts';
import { memoryNeeded, parametersOf } from '../model/memory.ts';
import type { ResolvedModel } from '../model/resolved-model.ts';
import { messageOf, UserError } from '../platform/errors.ts';

/** The model to serve, and the engine and device to serve it on. */
export interface ModelChoice {
  readonly model: string;
  readonly engine: string;
  readonly device: string;
}

export interface Residency {
  /** `evicted`: the model was unloaded because a job needs its memory. */
  readonly state: 'idle' | 'loading' | 'ready' | 'evicted' | 'failed';
  readonly folder: string | null;
  readonly device: { readonly engine: string; readonly device: string } | null;
  readonly problem: string | null;
}

/** The reason why a model that needs `bytes` of a device's memory cannot be loaded now; null if it can. */
export type ShortageCheck = (device: string, bytes: number) => Promise<string | null>;

/** Thrown if a job needs the memory that the model would use. */
class MemoryShortage extends UserError {}

const idle: Residency = { state: 'idle', folder: null, device: null, problem: null };

/** A resolved model, and keys that change when its files, the engine or the device change. */
interface Located {
  readonly model: ResolvedModel;
  readonly baseKey: string;
  readonly key: string;
}

/**
 * Keeps one model in memory. It is loaded by the first request, and replaced by the first request after another model was
 * chosen. The base of an adapter stays loaded as long as it is needed, so switching between adapters of one base reads only
 * the adapter, unless it is merged into the base (`isServedMerged`).
 */
export class ModelResidency {
  readonly #changed: () => void;
  readonly #memoryShortage: ShortageCheck;
  readonly #warn: (sentence: string) => void;
  #choice: ModelChoice;
  #loaded: { readonly key: string; readonly model: Promise<LanguageModel> } | undefined;
  #base: { readonly key: string; readonly model: LanguageModel; readonly digest: () => Promise<string> } | undefined;
  #adapted: LanguageModel | undefined;
  #engine: { readonly key: string; readonly engine: Promise<Engine> } | undefined;
  /** The memory use of the model that is loaded or was loaded last. */
  #memory: { readonly key: string; readonly device: string; readonly bytes: number } | undefined;
  #resolved: { readonly model: ResolvedModel; readonly writtenAt: string } | undefined;
  #residency = idle;
  /** The languages of the model that was asked about last. */
  #languages: { readonly key: string; readonly read: Promise<readonly string[] | null> } | undefined;

  /** `warn` receives one sentence if the model works, but something makes it slower than it could be. */
  constructor(
    choice: ModelChoice,
    changed: () => void,
    memoryShortage: ShortageCheck = async () => null,
    warn: (sentence: string) => void = () => undefined,
  ) {
    this.#warn = warn;
    this.#choice = choice;
    this.#changed = changed;
    this.#memoryShortage = memoryShortage;
  }

  get residency(): Residency {
    return this.#residency;
  }

  get choice(): ModelChoice {
    return this.#choice;
  }

  choose(choice: ModelChoice): void {
    this.#choice = choice;
  }

  /**
   * Why the chosen model does not complete in a language, in one sentence; null if it does. A model whose card states no languages
   * completes in all. An adapter has the languages of its base.
   */
  async unreadLanguage(languageId: string): Promise<string | null> {
    const located = await this.#locate().catch(() => null);
    if (!located) return null;
    const { key, model } = located;
    if (this.#languages?.key !== key) this.#languages = { key, read: languagesOf(model) };
    const languages = await this.#languages.read;
    if (languages === null || languages.includes(languageId)) return null;
    return `${this.#choice.model} was not trained on ${languageId}, only on ${languages.join(', ')}.`;
  }

  /** The gate of the chosen model's suggestions; undefined: that of the bundled model. */
  async gate(): Promise<SuggestionGate | undefined> {
    const located = await this.#locate().catch(() => null);
    return located?.model.generation.suggestion_gate;
  }

  /** Loads the chosen model if necessary. Throws a `UserError` if that fails; the next call tries again. */
  async get(): Promise<LanguageModel> {
    const located = await this.#locate().catch((error: unknown) => this.#fail(error));
    const { key } = located;
    // An evicted model is loaded again only when there is enough memory.
    const reason = !this.#loaded && this.#memory?.key === key ? await this.#reasonToEvict() : null;
    if (reason !== null) this.#fail(new MemoryShortage(reason));
    if (this.#loaded?.key !== key) {
      const before = this.#loaded;
      this.#loaded = { key, model: this.#load(located, before?.model) };
    }
    const loading = this.#loaded;
    const model = await loading.model.catch((error: unknown) => {
      if (this.#loaded === loading) this.#loaded = undefined;
      return this.#fail(error);
    });
    // If another model was chosen in between and failed to load, this model is still loaded.
    if (this.#loaded === loading && this.#residency.state !== 'ready')
      this.#set({ ...this.#residency, state: 'ready', problem: null });
    return model;
  }

  /**
   * Unloads the model if a job needs its memory, and permits loading it again when the memory is free. The caller makes
   * sure that nothing computes with the model meanwhile.
   */
  async reconsider(): Promise<void> {
    const loading = this.#loaded;
    if (loading && !(await loading.model.catch(() => null))) return;
    const reason = await this.#reasonToEvict();
    if (this.#loaded !== loading) return;
    const { state, problem } = this.#residency;
    if (reason !== null && loading) {
      this.#loaded = undefined;
      await this.#unload();
    }
    if (reason === null && state === 'evicted') this.#set({ ...this.#residency, state: 'idle', problem: null });
    else if (reason !== null && problem !== reason && (loading || state === 'evicted'))
      this.#set({ ...this.#residency, state: 'evicted', problem: reason });
  }

  async #reasonToEvict(): Promise<string | null> {
    return this.#memory ? this.#memoryShortage(this.#memory.device, this.#memory.bytes) : null;
  }

  async #unload(what: 'adapter' | 'all' = 'all'): Promise<void> {
    await this.#adapted?.dispose();
    this.#adapted = undefined;
    if (what === 'adapter') return;
    await this.#base?.model.dispose();
    this.#base = undefined;
  }

  /** Finds the chosen model. Its files are read again only if another model was chosen or they were written again. */
  async #locate(): Promise<Located> {
    const { model: name, engine, device } = this.#choice;
    const folder = await findModel(name);
    let known = this.#resolved;
    if (known?.model.folder !== folder || (await lastWrite(known.model).catch(() => null)) !== known.writtenAt) {
      const model = await resolveModel(name);
      known = { model, writtenAt: await lastWrite(model) };
      this.#resolved = known;
    }
    const { model, writtenAt } = known;
    const { base, precision } = model;
    const conversion = model.adapter?.base.conversion ?? null;
    const baseKey = JSON.stringify([
      base,
      await modifiedAt(base, 'config.json'),
      engine,
      device,
      precision,
      conversion,
    ]);
    return { model, baseKey, key: model.adapter ? JSON.stringify([baseKey, folder, writtenAt]) : baseKey };
  }

  async #load({ model, baseKey, key }: Located, before: Promise<LanguageModel> | undefined): Promise<LanguageModel> {
    const { folder, config } = model;
    this.#set({ ...idle, state: 'loading', folder });
    await before?.catch(() => undefined);
    assertDenoises(config);
    if (!completesCode(config))
      throw new UserError(
        `The model ${this.#choice.model} was not trained to complete code; choose one that was, such as unmask-code.`,
      );
    const engine = await this.#openEngine();
    const isMerged = await isServedMerged(engine, model);
    const kept = !isMerged && this.#base?.key === baseKey ? this.#base : undefined;
    const checkpoint = kept ? null : await openBase(model);
    const digest = kept?.digest ?? model.baseDigest;
    const adapter = await openAdapter(model, digest);
    this.#memory = { key, device: engine.device, bytes: bytesOf(config) };
    const reason = await this.#reasonToEvict();
    // The previous model is unloaded first, so that two models are never in memory at once.
    await this.#unload(reason === null && checkpoint === null ? 'adapter' : 'all');
    if (reason !== null) throw new MemoryShortage(reason);
    if (checkpoint) {
      const served =
        isMerged && adapter
          ? await loadMerged(engine, model, checkpoint, adapter, this.#warn)
          : await loadServedBase(engine, model, checkpoint, this.#warn);
      this.#base = { key: isMerged ? key : baseKey, model: served, digest };
    }
    const { model: loaded } = this.#base as NonNullable<typeof kept>;
    if (adapter && !isMerged) this.#adapted = await loaded.withAdapter(adapter);
    this.#set({ state: 'ready', folder, device: { engine: engine.name, device: engine.device }, problem: null });
    return this.#adapted ?? loaded;
  }

  async #openEngine(): Promise<Engine> {
    const { engine, device } = this.#choice;
    const key = JSON.stringify([engine, device]);
    if (this.#engine?.key !== key) this.#engine = { key, engine: chooseEngine({ engine, device }) };
    return this.#engine.engine;
  }

  #fail(error: unknown): never {
    const state = error instanceof MemoryShortage ? 'evicted' : 'failed';
    this.#set({ ...this.#residency, state, problem: messageOf(error) });
    throw error;
  }

  #set(residency: Residency): void {
    this.#residency = residency;
    this.#changed();
  }
}

const bytesOf = (config: ModelConfig): number => memoryNeeded(parametersOf(config), config);

/** When a model's configuration was written. A checkpoint that is written again in the same place is another model. */
async function lastWrite({ folder, base, adapter }: ResolvedModel): Promise<string> {
  const times = [await modifiedAt(base, 'config.json')];
  if (adapter) times.push(await modifiedAt(folder, 'adapter_config.json'));
  return times.join(' ');
}

const modifiedAt = async (folder: string, file: string): Promise<number> =>
  (await stat(path.join(folder, file))).mtimeMs;

/** The languages on a model's card, or on the card of its base. */
const languagesOf = async ({ folder, base }: ResolvedModel): Promise<readonly string[] | null> =>
  (await readCard(folder)).languages ?? (folder === base ? null : (await readCard(base)).languages);
