import { stat } from 'node:fs/promises';
import path from 'node:path';
import { completesCode } from '../diffusion/infill.ts';
import { chooseEngine } from '../engine/devices.ts';
import type { Engine } from '../engine/engine.ts';
import { openCheckpoint } from '../model/checkpoint.ts';
import { findModel } from '../model/find-model.ts';
import { LanguageModel } from '../model/language-model.ts';
import { messageOf, UserError } from '../platform/errors.ts';

/** Which model is served, and on what. */
export interface ModelChoice {
  readonly model: string;
  readonly engine: string;
  readonly device: string;
}

export interface Residency {
  readonly state: 'idle' | 'loading' | 'ready' | 'failed';
  readonly folder: string | null;
  readonly device: { readonly engine: string; readonly device: string } | null;
  readonly problem: string | null;
}

const idle: Residency = { state: 'idle', folder: null, device: null, problem: null };

/** Keeps one model in memory: it is loaded when it is first asked for, and another takes its place at the next request. */
export class ModelResidency {
  readonly #changed: () => void;
  #choice: ModelChoice;
  #loaded: { readonly key: string; readonly model: Promise<LanguageModel> } | undefined;
  #engine: { readonly key: string; readonly engine: Promise<Engine> } | undefined;
  #residency = idle;

  constructor(choice: ModelChoice, changed: () => void) {
    this.#choice = choice;
    this.#changed = changed;
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

  /** The chosen model; throws a `UserError` where it cannot be had, and tries again when it is asked for again. */
  async get(): Promise<LanguageModel> {
    const { model: name, engine, device } = this.#choice;
    const folder = await findModel(name).catch((error: unknown) => this.#fail(error));
    // A checkpoint that was written anew in the same place is another model.
    const { mtimeMs } = await stat(path.join(folder, 'config.json'));
    const key = JSON.stringify([folder, mtimeMs, engine, device]);
    if (this.#loaded?.key !== key) {
      const before = this.#loaded;
      this.#loaded = { key, model: this.#load(folder, before?.model) };
    }
    const loading = this.#loaded;
    return loading.model.catch((error: unknown) => {
      if (this.#loaded === loading) this.#loaded = undefined;
      return this.#fail(error);
    });
  }

  async #load(folder: string, before: Promise<LanguageModel> | undefined): Promise<LanguageModel> {
    this.#set({ ...idle, state: 'loading', folder });
    const checkpoint = await openCheckpoint(folder);
    if (!completesCode(checkpoint.config))
      throw new UserError(
        `The model ${this.#choice.model} was not trained to complete code; choose one that was, such as unmask-code.`,
      );
    const engine = await this.#openEngine();
    // The one before goes first, so that two are never held longer than it takes to read a file.
    await (await before?.catch(() => undefined))?.dispose();
    const model = await LanguageModel.load(engine, checkpoint);
    this.#set({ state: 'ready', folder, device: { engine: engine.name, device: engine.device }, problem: null });
    return model;
  }

  async #openEngine(): Promise<Engine> {
    const { engine, device } = this.#choice;
    const key = JSON.stringify([engine, device]);
    if (this.#engine?.key !== key) this.#engine = { key, engine: chooseEngine({ engine, device }) };
    return this.#engine.engine;
  }

  #fail(error: unknown): never {
    this.#set({ ...this.#residency, state: 'failed', problem: messageOf(error) });
    throw error;
  }

  #set(residency: Residency): void {
    this.#residency = residency;
    this.#changed();
  }
}
