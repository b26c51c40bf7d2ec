import protobuf from 'protobufjs/light.js';
import { type DType, type Shape, sizeOf } from '../../graph/tensor.ts';

/** The messages and fields of onnx.proto (https://github.com/onnx/onnx) that programs need, by their field numbers. */
const root = protobuf.Root.fromJSON({
  nested: {
    ModelProto: {
      fields: {
        irVersion: { type: 'int64', id: 1 },
        producerName: { type: 'string', id: 2 },
        graph: { type: 'GraphProto', id: 7 },
        opsetImport: { rule: 'repeated', type: 'OperatorSetIdProto', id: 8 },
      },
    },
    OperatorSetIdProto: { fields: { domain: { type: 'string', id: 1 }, version: { type: 'int64', id: 2 } } },
    GraphProto: {
      fields: {
        node: { rule: 'repeated', type: 'NodeProto', id: 1 },
        name: { type: 'string', id: 2 },
        initializer: { rule: 'repeated', type: 'TensorProto', id: 5 },
        input: { rule: 'repeated', type: 'ValueInfoProto', id: 11 },
        output: { rule: 'repeated', type: 'ValueInfoProto', id: 12 },
      },
    },
    NodeProto: {
      fields: {
        input: { rule: 'repeated', type: 'string', id: 1 },
        output: { rule: 'repeated', type: 'string', id: 2 },
        name: { type: 'string', id: 3 },
        opType: { type: 'string', id: 4 },
        attribute: { rule: 'repeated', type: 'AttributeProto', id: 5 },
        domain: { type: 'string', id: 7 },
      },
    },
    AttributeProto: {
      fields: {
        name: { type: 'string', id: 1 },
        f: { type: 'float', id: 2 },
        i: { type: 'int64', id: 3 },
        s: { type: 'bytes', id: 4 },
        ints: { rule: 'repeated', type: 'int64', id: 8 },
        type: { type: 'int32', id: 20 },
      },
    },
    TensorProto: {
      fields: {
        dims: { rule: 'repeated', type: 'int64', id: 1 },
        dataType: { type: 'int32', id: 2 },
        name: { type: 'string', id: 8 },
        rawData: { type: 'bytes', id: 9 },
        externalData: { rule: 'repeated', type: 'StringStringEntryProto', id: 13 },
        dataLocation: { type: 'int32', id: 14 },
      },
    },
    StringStringEntryProto: { fields: { key: { type: 'string', id: 1 }, value: { type: 'string', id: 2 } } },
    ValueInfoProto: { fields: { name: { type: 'string', id: 1 }, type: { type: 'TypeProto', id: 2 } } },
    TypeProto: { fields: { tensorType: { type: 'TensorTypeProto', id: 1 } } },
    TensorTypeProto: { fields: { elemType: { type: 'int32', id: 1 }, shape: { type: 'TensorShapeProto', id: 2 } } },
    TensorShapeProto: { fields: { dim: { rule: 'repeated', type: 'DimensionProto', id: 1 } } },
    DimensionProto: { fields: { dimValue: { type: 'int64', id: 1 }, dimParam: { type: 'string', id: 2 } } },
  },
});
const modelProto = root.lookupType('ModelProto');

const elementType = { f32: 1, u8: 2, i8: 3, i32: 6, i64: 7, bool: 9 } as const;
const elementBytes = { f32: 4, u8: 1, i8: 1, i32: 4, i64: 8, bool: 1 } as const;

/** Element types of a program's tensors, including those of quantised matrices. */
export type ElementType = DType | 'u8' | 'i8';
const attributeType = { float: 1, int: 2, string: 3, ints: 7 } as const;

/** The version of ONNX's operator set that the lowering targets, and the matching file format version. */
const opset = 21;
const irVersion = 10;

export interface Value {
  readonly name: string;
  /** An extent may be a name: any number, which is the same for all values with that name. Absent: any shape. */
  readonly shape?: readonly (number | string)[];
  readonly dtype: ElementType;
}

/** The wrapper distinguishes a float attribute from an integer one. */
export type AttributeValue = number | string | readonly number[] | { readonly float: number };

/** A tensor in a file that ONNX Runtime maps into memory. */
export interface ExternalTensor {
  readonly dtype: ElementType;
  readonly shape: Shape;
  /** The name of the file; its folder is a session option. */
  readonly file: string;
  /** The position of the first byte. */
  readonly offset: number;
}

/** `dataLocation` of a tensor whose data is not in the model file. */
const external = 1;

/** Equal constants of at most this many bytes are stored once, so that ONNX Runtime recognises equal nodes. */
const sharedBytes = 64;

/** Builds an ONNX graph and names its nodes and initialisers. */
export class OnnxGraph {
  readonly #nodes: {
    readonly name: string;
    readonly output: readonly string[];
    readonly [field: string]: unknown;
  }[] = [];
  readonly #initializers: object[] = [];
  readonly #shared = new Map<string, string>();

  /** Adds a node and returns the name of its first result. `others`: the names of its other results. */
  node(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
    {
      domain = '',
      result = `${opType}_${this.#nodes.length}`,
      others = [],
    }: { readonly domain?: string; readonly result?: string; readonly others?: readonly string[] } = {},
  ): string {
    const attribute = Object.entries(attributes).map(([name, value]) => {
      if (typeof value === 'number') return { name, type: attributeType.int, i: value };
      if (typeof value === 'string') return { name, type: attributeType.string, s: Buffer.from(value) };
      if ('float' in value) return { name, type: attributeType.float, f: value.float };
      return { name, type: attributeType.ints, ints: [...value] };
    });
    this.#nodes.push({ opType, domain, name: result, input: [...inputs], output: [result, ...others], attribute });
    return result;
  }

  /** Number of nodes. */
  get size(): number {
    return this.#nodes.length;
  }

  /**
   * Renames the result of the last node if `result` is its only one and if it is not older than the first `before` nodes; returns
   * whether it did. No node may use the result yet.
   */
  rename(result: string, name: string, before: number): boolean {
    const last = this.#nodes.at(-1);
    if (this.#nodes.length === before || last?.name !== result || last.output.length !== 1) return false;
    this.#nodes[this.#nodes.length - 1] = { ...last, name, output: [name] };
    return true;
  }

  /** Whether there is a node of this name, which is that of its first result. */
  has(name: string): boolean {
    return this.#nodes.some((node) => node.name === name);
  }

  initializer(data: Float32Array | Int32Array | Uint8Array, shape: Shape): string {
    const dtype = data instanceof Float32Array ? 'f32' : data instanceof Int32Array ? 'i32' : 'u8';
    return this.#initializer(dtype, shape, Buffer.from(data.buffer, data.byteOffset, data.byteLength));
  }

  /** 64-bit integers, such as a shape, axes or starts. */
  wholeNumbers(values: readonly number[], shape: Shape = [values.length]): string {
    return this.#initializer('i64', shape, Buffer.from(BigInt64Array.from(values, BigInt).buffer));
  }

  /** A constant in a file of its own. */
  external(name: string, { dtype, shape, file, offset }: ExternalTensor): string {
    const length = sizeOf(shape) * elementBytes[dtype];
    const externalData = Object.entries({ location: file, offset, length }).map(([key, value]) => ({
      key,
      value: String(value),
    }));
    const dataType = elementType[dtype];
    this.#initializers.push({ name, dims: [...shape], dataType, dataLocation: external, externalData });
    return name;
  }

  #initializer(dtype: keyof typeof elementType, shape: Shape, rawData: Buffer): string {
    if (rawData.byteLength !== sizeOf(shape) * elementBytes[dtype])
      throw new Error(`constant of [${shape}] has the wrong size`);
    const key = rawData.byteLength <= sharedBytes ? `${dtype} ${shape}: ${rawData.toString('hex')}` : undefined;
    const known = key === undefined ? undefined : this.#shared.get(key);
    if (known !== undefined) return known;
    const name = `constant_${this.#initializers.length}`;
    this.#initializers.push({ name, dims: [...shape], dataType: elementType[dtype], rawData });
    if (key !== undefined) this.#shared.set(key, name);
    return name;
  }

  /** The model file's bytes. */
  encode(name: string, inputs: readonly Value[], outputs: readonly Value[]): Uint8Array {
    const declare = ({ name, shape, dtype }: Value) => {
      const dimension = (extent: number | string) =>
        typeof extent === 'string' ? { dimParam: extent } : { dimValue: extent };
      const extents = shape && { shape: { dim: shape.map(dimension) } };
      return { name, type: { tensorType: { elemType: elementType[dtype], ...extents } } };
    };
    const graph = {
      name,
      node: this.#nodes,
      initializer: this.#initializers,
      input: inputs.map(declare),
      output: outputs.map(declare),
    };
    const opsetImport = [
      { domain: '', version: opset },
      { domain: 'com.microsoft', version: 1 },
    ];
    return modelProto.encode(modelProto.fromObject({ irVersion, producerName: 'unmask', graph, opsetImport })).finish();
  }
}

/** ONNX's number of an element type, as `Cast` takes it. */
export function elementTypeOf(dtype: ElementType): number {
  return elementType[dtype];
}
