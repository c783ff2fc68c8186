// Runs before the tests of each file; what it imports, once in each process.
import "./support/same-bytes.js";
