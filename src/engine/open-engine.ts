import { UsageError } from '../platform/errors.ts';
import type { Engine } from './engine.ts';
import type { Provider } from './onnx/lowering.ts';
import type { TensorflowDevice } from './tensorflow/load-tensorflow.ts';

export type Device =
  | { readonly engine: 'onnx'; readonly device: Provider }
  | { readonly engine: 'tensorflow'; readonly device: TensorflowDevice };

/** Every engine and device that the product supports, whether or not this machine has it. */
export const knownDevices: readonly Device[] = [
  { engine: 'onnx', device: 'cpu' },
  { engine: 'onnx', device: 'webgpu' },
  { engine: 'onnx', device: 'cuda' },
  { engine: 'onnx', device: 'dml' },
  { engine: 'onnx', device: 'coreml' },
  { engine: 'tensorflow', device: 'gpu' },
  { engine: 'tensorflow', device: 'node' },
  { engine: 'tensorflow', device: 'wasm' },
  { engine: 'tensorflow', device: 'cpu' },
];

/**
 * The known devices of an engine, or with a name, or both. `auto` or undefined matches any. Throws a `UsageError`
 * that lists the known ones if there is no match.
 */
export function findDevices(engine = 'auto', device = 'auto'): readonly Device[] {
  const ofEngine = knownDevices.filter((known) => engine === 'auto' || known.engine === engine);
  if (ofEngine.length === 0)
    throw new UsageError(
      `There is no engine ${engine}; choose one of auto, ${distinct(knownDevices.map((known) => known.engine))}.`,
    );
  const found = ofEngine.filter((known) => device === 'auto' || known.device === device);
  if (found.length > 0) return found;
  const owner = engine === 'auto' ? 'There is no device' : `Engine ${engine} has no device`;
  throw new UsageError(`${owner} ${device}; choose one of auto, ${distinct(ofEngine.map((known) => known.device))}.`);
}

const distinct = (names: readonly string[]): string => [...new Set(names)].join(', ');

/** One known device; throws a `UsageError` like `findDevices`. */
export function findDevice(engine: string, device: string): Device {
  const [found, another] = findDevices(engine, device);
  if (another) throw new UsageError('Name one engine and one device.');
  return found!;
}

/** Loads an engine's library, and no other engine's. Throws with the reason if it does not load. */
export async function openEngine({ engine, device }: Device): Promise<Engine> {
  if (engine === 'onnx') {
    const { OnnxEngine } = await import('./onnx/onnx-engine.ts');
    return new OnnxEngine(device);
  }
  const { TensorflowEngine } = await import('./tensorflow/tensorflow-engine.ts');
  return TensorflowEngine.open(device);
}
