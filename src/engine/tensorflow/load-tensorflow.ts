import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import util from 'node:util';
import type * as Tf from '@tensorflow/tfjs-core';

/**
 * TensorFlow.js backends: the TensorFlow library on a GPU (`@tensorflow/tfjs-node-gpu`) or on the CPU
 * (`@tensorflow/tfjs-node`), WebAssembly, or plain JavaScript.
 */
export type TensorflowDevice = 'gpu' | 'node' | 'wasm' | 'cpu';

export type Tensorflow = typeof Tf;

/**
 * Loads TensorFlow.js with one backend, on first use. Throws with the reason if the backend's package or library is
 * missing.
 */
export async function loadTensorflow(device: TensorflowDevice): Promise<{ tf: Tensorflow; backend: string }> {
  if (device === 'gpu' || device === 'node') return loadNative(device);
  const tf = await import('@tensorflow/tfjs-core');
  // Production mode suppresses advice to install faster packages.
  tf.enableProdMode();
  if (device === 'wasm') await import('@tensorflow/tfjs-backend-wasm');
  else await import('@tensorflow/tfjs-backend-cpu');
  if (!(await tf.setBackend(device))) throw new Error(`TensorFlow.js cannot start its ${device} backend`);
  return { tf, backend: device };
}

async function loadNative(device: 'gpu' | 'node'): Promise<{ tf: Tensorflow; backend: string }> {
  // Both packages print the library's start-up notes, and call a function that Node 23 removed.
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';
  const shimmed = util as { isNullOrUndefined?: (value: unknown) => boolean };
  shimmed.isNullOrUndefined ??= (value) => value === null || value === undefined;

  const missing = missingReason(device);
  if (missing) throw new Error(missing);
  const tf = createRequire(import.meta.url)(nativePackages[device]) as Tensorflow;
  tf.enableProdMode();
  const backend = tf.backend() as Tf.KernelBackend & { readonly isUsingGpuDevice?: boolean };
  if (device === 'gpu' && !backend.isUsingGpuDevice)
    throw new Error('TensorFlow found no usable GPU (it needs an NVIDIA GPU, CUDA 11.2 and cuDNN 8.1)');
  return { tf, backend: 'tensorflow' };
}

const nativePackages = { gpu: '@tensorflow/tfjs-node-gpu', node: '@tensorflow/tfjs-node' } as const;

/**
 * The reason why the TensorFlow library cannot be loaded, as far as its package's files show; null if they are all
 * there.
 */
export function missingReason(device: keyof typeof nativePackages): string | null {
  const name = nativePackages[device];
  let folder: string;
  try {
    folder = path.dirname(createRequire(import.meta.url).resolve(`${name}/package.json`));
  } catch {
    return `${name} is not installed`;
  }
  // The package's install script, which does not run by default, installs the addon and the library there.
  const missing = `${name} is installed without its native part; \`npm rebuild ${name} --ignore-scripts=false\` fetches it`;
  return existsSync(path.join(folder, 'lib')) ? null : missing;
}
