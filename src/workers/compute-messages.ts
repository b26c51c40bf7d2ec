import type { Denoised } from '../diffusion/canvas.ts';
import type { DecodingOptions } from '../diffusion/denoise.ts';
import type { AnnouncedRun } from './messages.ts';

/** What a worker asks of its computing process. Messages are structured clones, so arrays keep their types. */
export type ComputeRequest = { readonly id: number } & (
  | { readonly kind: 'device' }
  | {
      readonly kind: 'generate';
      readonly model: AnnouncedRun['model'];
      /** The folder of the base model. */
      readonly base: string;
      readonly policy: string;
      /** The bytes of the policy; absent: the process has it already. */
      readonly bytes?: Uint8Array;
      readonly group: GroupToGenerate;
    }
);

/** Completions of one prompt, one per seed. */
export interface GroupToGenerate {
  readonly prompt: string;
  readonly suffix: string;
  readonly seeds: readonly number[];
  readonly decoding: DecodingOptions;
}

export interface GeneratedCanvases {
  readonly canvases: readonly Denoised[];
  /** Tokens that the model's passes read. */
  readonly tokens: number;
}

export interface ComputeDevice {
  /** Engine and device. */
  readonly device: string;
  readonly machine: string;
}

export type ComputeAnswer =
  | { readonly id: number; readonly result: GeneratedCanvases | ComputeDevice }
  | { readonly id: number; readonly error: string };
