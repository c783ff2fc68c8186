// Runs before the tests of each file; what it imports, once in each process.
import "./support/patient-dawn.js";
import "./support/same-bytes.js";
