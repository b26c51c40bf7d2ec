import type { Engine } from '../../src/engine/engine.ts';
import { OnnxEngine } from '../../src/engine/onnx/onnx-engine.ts';
import { TensorflowEngine } from '../../src/engine/tensorflow/tensorflow-engine.ts';

/** The engines that every machine has. The result of a program must not depend on which of them runs it. */
export const engines: readonly { readonly label: string; readonly open: () => Promise<Engine> }[] = [
  { label: 'onnx cpu', open: async () => new OnnxEngine('cpu') },
  { label: 'tensorflow wasm', open: () => TensorflowEngine.open('wasm') },
  { label: 'tensorflow cpu', open: () => TensorflowEngine.open('cpu') },
];
