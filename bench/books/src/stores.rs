//! The same four calls on each store.

use std::path::Path;

/// What the books need of a store.
pub trait Store {
    fn load(&mut self, keys: &[[u8; 20]]) -> Vec<Option<Vec<u8>>>;
    fn commit(&mut self, batch: &[([u8; 20], Vec<u8>)], offset: u64);
    fn sync(&mut self);
    fn offset(&mut self) -> u64;
}

pub fn open(name: &str, folder: &Path, cache: u64) -> Box<dyn Store> {
    std::fs::create_dir_all(folder).expect("folder");
    match name {
        "fjall" => Box::new(Fjall::open(folder, cache)),
        "redb" => Box::new(Redb::open(folder, cache)),
        #[cfg(feature = "rocksdb")]
        "rocksdb" => Box::new(rocks::Rocks::open(folder, cache)),
        other => panic!("no store called {other} was built in"),
    }
}

struct Fjall {
    database: fjall::Database,
    books: fjall::Keyspace,
    offset: fjall::Keyspace,
}

impl Fjall {
    fn open(folder: &Path, cache: u64) -> Fjall {
        let database = fjall::Database::builder(folder).cache_size(cache).worker_threads(2).open().expect("open");
        let options = || fjall::KeyspaceCreateOptions::default().expect_point_read_hits(true);
        let books = database.keyspace("books", options).expect("books");
        let offset = database.keyspace("offset", fjall::KeyspaceCreateOptions::default).expect("offset");
        Fjall { database, books, offset }
    }
}

impl Store for Fjall {
    fn load(&mut self, keys: &[[u8; 20]]) -> Vec<Option<Vec<u8>>> {
        keys.iter().map(|key| self.books.get(key).expect("get").map(|value| value.to_vec())).collect()
    }

    fn commit(&mut self, batch: &[([u8; 20], Vec<u8>)], offset: u64) {
        let mut writes = self.database.batch();
        for (key, value) in batch {
            writes.insert(&self.books, *key, value.as_slice());
        }
        writes.insert(&self.offset, "offset", offset.to_be_bytes());
        writes.commit().expect("commit");
    }

    fn sync(&mut self) {
        self.database.persist(fjall::PersistMode::SyncAll).expect("persist");
    }

    fn offset(&mut self) -> u64 {
        let bytes = self.offset.get("offset").expect("get").expect("offset");
        u64::from_be_bytes(bytes.as_ref().try_into().expect("eight bytes"))
    }
}

const BOOKS: redb::TableDefinition<[u8; 20], &[u8]> = redb::TableDefinition::new("books");
const OFFSET: redb::TableDefinition<(), u64> = redb::TableDefinition::new("offset");

struct Redb {
    database: redb::Database,
    last: u64,
}

impl Redb {
    fn open(folder: &Path, cache: u64) -> Redb {
        let database =
            redb::Builder::new().set_cache_size(cache as usize).create(folder.join("books.redb")).expect("open");
        let mut store = Redb { database, last: 0 };
        let begun = store.database.begin_write().expect("begin");
        begun.open_table(BOOKS).expect("table");
        begun.open_table(OFFSET).expect("table");
        begun.commit().expect("commit");
        store.last = store.offset();
        store
    }
}

impl Store for Redb {
    fn load(&mut self, keys: &[[u8; 20]]) -> Vec<Option<Vec<u8>>> {
        use redb::ReadableDatabase;
        let begun = self.database.begin_read().expect("begin");
        let table = begun.open_table(BOOKS).expect("table");
        keys.iter().map(|key| table.get(key).expect("get").map(|value| value.value().to_vec())).collect()
    }

    fn commit(&mut self, batch: &[([u8; 20], Vec<u8>)], offset: u64) {
        let mut begun = self.database.begin_write().expect("begin");
        begun.set_durability(redb::Durability::None).expect("durability");
        {
            let mut table = begun.open_table(BOOKS).expect("table");
            for (key, value) in batch {
                table.insert(key, value.as_slice()).expect("insert");
            }
            begun.open_table(OFFSET).expect("table").insert((), offset).expect("insert");
        }
        begun.commit().expect("commit");
        self.last = offset;
    }

    fn sync(&mut self) {
        let mut begun = self.database.begin_write().expect("begin");
        begun.set_quick_repair(true);
        begun.open_table(OFFSET).expect("table").insert((), self.last).expect("insert");
        begun.commit().expect("commit");
    }

    fn offset(&mut self) -> u64 {
        use redb::ReadableDatabase;
        let begun = self.database.begin_read().expect("begin");
        let table = begun.open_table(OFFSET).expect("table");
        table.get(()).expect("get").map_or(0, |value| value.value())
    }
}

#[cfg(feature = "rocksdb")]
mod rocks {
    use std::path::Path;

    use super::Store;

    pub struct Rocks(rocksdb::DB);

    impl Rocks {
        pub fn open(folder: &Path, cache: u64) -> Rocks {
            let cache = rocksdb::Cache::new_lru_cache(cache as usize);
            let mut table = rocksdb::BlockBasedOptions::default();
            table.set_block_cache(&cache);
            table.set_bloom_filter(10.0, false);
            table.set_cache_index_and_filter_blocks(true);
            table.set_pin_l0_filter_and_index_blocks_in_cache(true);
            let mut options = rocksdb::Options::default();
            options.create_if_missing(true);
            options.increase_parallelism(2);
            options.set_compression_type(rocksdb::DBCompressionType::Lz4);
            options.set_block_based_table_factory(&table);
            options.set_write_buffer_size(64 << 20);
            options.set_optimize_filters_for_hits(true);
            Rocks(rocksdb::DB::open(&options, folder).expect("open"))
        }
    }

    impl Store for Rocks {
        fn load(&mut self, keys: &[[u8; 20]]) -> Vec<Option<Vec<u8>>> {
            self.0.multi_get(keys).into_iter().map(|found| found.expect("get")).collect()
        }

        fn commit(&mut self, batch: &[([u8; 20], Vec<u8>)], offset: u64) {
            let mut writes = rocksdb::WriteBatch::default();
            for (key, value) in batch {
                writes.put(key, value);
            }
            writes.put([0_u8; 20], offset.to_be_bytes());
            self.0.write(writes).expect("write");
        }

        fn sync(&mut self) {
            self.0.flush_wal(true).expect("sync");
        }

        fn offset(&mut self) -> u64 {
            let bytes = self.0.get([0_u8; 20]).expect("get").expect("offset");
            u64::from_be_bytes(bytes.try_into().expect("eight bytes"))
        }
    }
}
