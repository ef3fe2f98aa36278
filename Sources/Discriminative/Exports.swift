@_exported import Diffusion
@_exported import GraphIR
@_exported import Interpreter
@_exported import ONNXWire
@_exported import Operators
@_exported import Rewrites
