//! Scheduled queues, where messages wait, and ready queues, from which they are delivered.
